// Carrying control: from the loop into a body, from frame to frame inside one greenlet, from greenlet to greenlet.
// The loop in hub.ts resumes bodies itself as long as they only yield and park; everything else comes through here.
//
// D1  while a body runs, hub.cur is its slot, or NIL and hub.aside its greenlet
// D2  a greenlet suspended in switch() is SWITCHED and in no queue of the core; one waiting for the hub is LIVE
// D3  control ends at the hub (null), at main, or in an exception of the loop itself, never in between

import { describe } from '../core/arguments.ts';
import { NIL } from '../core/contract.ts';
import { GreenletError, GreenletExit, InvalidSwitchError } from '../exceptions.ts';
import { debugging, setActive } from './current.ts';
import type { Hub } from './hub.ts';
import { isOperation, notAnOperation, type Operation } from './operation.ts';
import {
  ARRIVED,
  type Body,
  CALL,
  isBody,
  PARK,
  type Park,
  RESUME,
  resumeBody,
  State,
  SwitchMessage,
  throwInBody,
  YIELD,
} from './protocol.ts';
import type { RawGreenlet, SwitchOperation } from './raw.ts';

/** No exception is on its way; undefined can be thrown, so it cannot say so. */
export const NOTHING: unique symbol = Symbol('gevent.nothing');

/**
 * Run `g` and whoever it gives control to, until control is the hub's or main's.
 * @param error - thrown in instead of resuming, unless NOTHING. No default value: undefined can be thrown.
 */
export function follow(hub: Hub, g: RawGreenlet | null, error: unknown): void {
  let next = g;
  let thrown = error;
  while (next !== null) {
    let greenlet = next;
    let result: IteratorResult<Park, unknown> | null;
    try {
      const sent = hub.reply;
      if (
        thrown === NOTHING &&
        sent === RESUME &&
        greenlet.$slot === NIL &&
        hub.slices === null &&
        hub.tracer === null
      ) {
        greenlet = hop(hub, greenlet);
        result = hub.ended;
        if (result === null) {
          next = greenlet;
          continue;
        }
      } else {
        const body = greenlet.$top as Body;
        enter(hub, greenlet);
        hub.reply = RESUME;
        // Not by way of resume(): a frame that an exception only passes through is never compiled, and costs 100 ns on its way.
        if (hub.slices !== null) result = hub.slices.run(greenlet, body, sent, thrown);
        else result = thrown === NOTHING ? resumeBody.call(body, sent) : throwInBody.call(body, thrown);
      }
    } catch (e) {
      if (hub.cur === NIL) greenlet = hub.aside;
      next = threw(hub, greenlet, e);
      thrown = hub.takeThrown();
      continue;
    }
    next = after(hub, greenlet, result);
    thrown = hub.takeThrown();
  }
}

// Constants of this file, and a function that returns after each batch: see batch.ts.
const GO_ON = RESUME;
const go = resumeBody;
const HOPS = 512;
const SUSPENDED = State.SWITCHED;
const RUNNING = State.LIVE;
const THERE = ARRIVED;
const Message = SwitchMessage;

/** Raw greenlets that do nothing but switch to one another. Gives whose slice ended with more than that, in `hub.ended`. */
function hop(hub: Hub, from: RawGreenlet): RawGreenlet {
  let g = from;
  hub.cur = NIL;
  for (let left = HOPS; left > 0; --left) {
    hub.aside = g;
    g.$state = RUNNING;
    const result = go.call(g.$body as Body, GO_ON);
    if (!(result instanceof Message) || g.$slot !== NIL) {
      hub.ended = result;
      return g;
    }
    const op: SwitchOperation = result.op;
    const to = op.target;
    // Main has no body; a FRESH or dead one, or one of another hub, takes the long way.
    if (to.$state !== SUSPENDED || to.$body === null || op.error !== null || to.$hub !== hub || hub.tracer !== null) {
      hub.ended = result;
      return g;
    }
    g.$state = SUSPENDED;
    THERE.value = op.payload;
    g = to;
  }
  hub.ended = null;
  return g;
}

/** One slice of a body. */
export function resume(body: Body, sent: unknown, thrown: unknown): IteratorResult<Park, unknown> {
  return thrown === NOTHING ? resumeBody.call(body, sent) : throwInBody.call(body, thrown);
}

/** Make `g` the current greenlet. */
function enter(hub: Hub, g: RawGreenlet): void {
  hub.cur = g.$slot;
  if (g.$slot === NIL) hub.aside = g;
  g.$state = State.LIVE;
}

/** What a slice of `g` ended with. Gives who runs next, or null for the hub. */
export function after(hub: Hub, g: RawGreenlet, result: IteratorResult<Park, unknown>): RawGreenlet | null {
  // By its value: some engines' `yield*`, and a transpiled one, pass on a copy.
  if (result.value === PARK.value) {
    hub.parking = null;
    return rest(hub, g);
  }
  if (hub.parking !== null) {
    // It parked, and whoever drove it by hand did not pass that on.
    hub.throwNext(hub.undoParking());
    return g;
  }
  if (result instanceof SwitchMessage) return carryOut(hub, g, result.op);
  if (result === CALL) return push(g, hub.takeCallee(), false);
  if (result === YIELD) {
    hub.core.ready(hub.slotOf(g));
    return rest(hub, g);
  }
  if (result.done) {
    if (g.$more !== null && g.$more.callers !== null) {
      if (pop(g)) hub.reply = result.value;
      else hub.frameValue = result.value;
      return g;
    }
    if (g.$more !== null && cleanUp(g, true, result.value)) return g;
    return passUp(hub, g, g.$finished(result.value));
  }
  return serve(hub, g, result);
}

/** A slice of `g` threw. Gives who runs next, or null for the hub. */
export function threw(hub: Hub, g: RawGreenlet, error: unknown): RawGreenlet | null {
  if (g.$more !== null && g.$more.callers !== null) {
    pop(g);
    hub.throwNext(error);
    return g;
  }
  if (g.$more !== null && cleanUp(g, false, error)) return g;
  return g.$failed(error) ? raiseUp(hub, g, g.$parent, error) : passUp(hub, g, error);
}

function cleanUp(g: RawGreenlet, ok: boolean, value: unknown): boolean {
  const body = g.$cleanup(ok, value);
  if (body === null) return false;
  g.$top = body;
  return true;
}

// ---- frames ---------------------------------------------------------------------------------------------------------
// A greenlet's frames are its top body and `callers` below it. A caller that waits in `yield* call()` fetches the frame's
// value itself; one that used a plain `yield` must be sent it, and has a null on top of it in `callers`.

function push(g: RawGreenlet, body: Body, plain: boolean): RawGreenlet {
  const more = g.$extras();
  more.callers ??= [];
  more.callers.push(g.$top as Body);
  if (plain) more.callers.push(null);
  g.$top = body;
  return g;
}

/** Drop the top frame. True if the caller is to be sent the value. */
function pop(g: RawGreenlet): boolean {
  const more = g.$more as { callers: (Body | null)[] | null };
  const callers = more.callers as (Body | null)[];
  let caller = callers.pop() as Body | null;
  const plain = caller === null;
  if (caller === null) caller = callers.pop() as Body;
  if (callers.length === 0) more.callers = null;
  g.$top = caller;
  return plain;
}

/** A body yielded something by plain `yield`. Operations are served; the rest is the program's mistake. */
function serve(hub: Hub, g: RawGreenlet, result: IteratorYieldResult<Park>): RawGreenlet | null {
  const value: unknown = result.value;
  // Copies of our messages.
  if (value instanceof SwitchMessage) return after(hub, g, value);
  for (const known of [CALL, YIELD]) {
    if (value === known.value) return after(hub, g, known);
  }
  if (isOperation(value)) return push(g, consume(value), true);
  hub.throwNext(notAnOperation(value));
  return g;
}

function* consume<T>(op: Operation<T>): Generator<Park, T, unknown> {
  return yield* op;
}

// ---- between greenlets ----------------------------------------------------------------------------------------------

/** `origin` asked for a switch or throw. */
function carryOut(hub: Hub, origin: RawGreenlet, op: SwitchOperation): RawGreenlet | null {
  const slot = origin.$slot;
  origin.$state = State.SWITCHED;
  // A raw greenlet gives its slot back: suspended in a switch it waits for no one the core knows.
  if (slot !== NIL && origin.$isRaw) {
    const body = hub.bodies[slot];
    origin.$slot = NIL;
    origin.$body = body;
    hub.release(slot);
    hub.cur = NIL;
    hub.aside = origin;
  }
  try {
    return dispatch(hub, origin, op);
  } catch (e) {
    // Refused before anything moved: the caller hears it.
    hub.throwNext(e);
    return origin;
  }
}

/** Send control where `op` says. Throws if it cannot go there. */
function dispatch(hub: Hub, origin: RawGreenlet, op: SwitchOperation): RawGreenlet | null {
  const { target, payload, error } = op;
  if (target.$hub !== hub) {
    throw new GreenletError(`cannot switch to a different thread: ${target} belongs to ${target.$hub}, this is ${hub}`);
  }
  if (error === null) return give(hub, origin, target, payload, op.args);
  // Nothing happens to a Greenlet that has ended, unlike a raw one: control comes straight back.
  if (target.$state === State.DEAD && !target.$isRaw) return give(hub, origin, origin, undefined, []);
  return raise(hub, origin, target, error.error);
}

/** Give control to `target`, or to its nearest living ancestor, with a value. */
export function give(
  hub: Hub,
  origin: RawGreenlet,
  target: RawGreenlet | null,
  value: unknown,
  args: unknown[],
): RawGreenlet | null {
  let to = target;
  while (to !== null && to.$state === State.DEAD) to = to.$parent;
  if (to !== null && isUnstarted(to)) return start(hub, to, args, origin);
  if (hub.tracer !== null) {
    const fault = traced(hub, 'switch', origin, to ?? hub);
    if (fault !== NOTHING) return raiseIn(hub, origin, to, fault);
  }
  if (to === null || to === hub) return null;
  if (to === hub.main) return toMain(hub, origin, value, NOTHING);
  if (to.$state === State.SWITCHED || to === origin) {
    ARRIVED.value = value;
    return to;
  }
  return raiseIn(hub, origin, to, invalidSwitch(String(to), value));
}

/** Raise `error` in `target`, or in its nearest living ancestor. */
export function raise(hub: Hub, origin: RawGreenlet, target: RawGreenlet | null, error: unknown): RawGreenlet | null {
  let to = target;
  if (to !== null && to.$state === State.DEAD) {
    if (error instanceof GreenletExit) return give(hub, origin, to, error, [error]);
    while (to !== null && to.$state === State.DEAD) to = to.$parent;
  }
  const unstarted = to !== null && isUnstarted(to);
  if (unstarted) to?.$function();
  const fault = traced(hub, 'throw', origin, to ?? hub);
  const thrown = fault === NOTHING ? error : fault;
  if (to === null || !unstarted) return raiseIn(hub, origin, to, thrown);
  if (to.$state === State.QUEUED) hub.withdraw(to.$slot);
  return to.$failed(thrown) ? raiseUp(hub, to, to.$parent, thrown) : passUp(hub, to, thrown);
}

/** Raise `error` in `to`, which is alive and has started, or is the hub. */
function raiseIn(hub: Hub, origin: RawGreenlet, to: RawGreenlet | null, error: unknown): RawGreenlet | null {
  if (to === null || to === hub) {
    hub.$route(origin, error);
    return null;
  }
  if (to === hub.main) return toMain(hub, origin, undefined, error);
  if (debugging) hub.debug.thrown(to, error);
  if (to.$state === State.LIVE && to !== origin) {
    if (hub.asyncBodies.has(to)) return deliverAsync(hub, to, error);
    hub.interrupt(to);
    if (to.$raise(error)) return null;
  }
  to.$abort(error);
  hub.throwNext(error);
  return to;
}

/** An error leaves `g`, which is dead. A parent that cannot be switched to fails with an error of its own, in its parent. */
function raiseUp(hub: Hub, g: RawGreenlet, parent: RawGreenlet | null, error: unknown): RawGreenlet | null {
  let to = parent;
  let thrown = error;
  for (;;) {
    try {
      return raise(hub, g, to, thrown);
    } catch (e) {
      if (to === null || to === hub) throw e;
      to = to.$parent;
      thrown = e;
    }
  }
}

/** `g` is dead; its value goes to the nearest living ancestor. */
function passUp(hub: Hub, g: RawGreenlet, value: unknown): RawGreenlet | null {
  const parent = g.$parent;
  if (hub.tracer === null && (parent === null || parent === hub)) return null;
  try {
    return give(hub, g, parent, value, [value]);
  } catch (e) {
    return raiseUp(hub, g, parent?.$parent ?? null, e);
  }
}

function isUnstarted(g: RawGreenlet): boolean {
  return g.$state === State.FRESH || g.$state === State.QUEUED;
}

function invalidSwitch(into: string, value: unknown): InvalidSwitchError {
  return new InvalidSwitchError(
    `Invalid switch into ${into}: got ${describe(value)} (expected to be woken by the hub from what it waits for)`,
  );
}

/**
 * Tell the tracer of a transfer, in the context of its target. NOTHING, or what the tracer threw: then it is off, and that is
 * raised in the target.
 */
export function traced(hub: Hub, event: 'switch' | 'throw', origin: RawGreenlet, target: RawGreenlet): unknown {
  const { tracer, cur, aside } = hub;
  if (tracer === null) return NOTHING;
  hub.cur = target.$slot;
  hub.aside = target;
  try {
    tracer(event, origin, target);
    return NOTHING;
  } catch (error) {
    hub.tracer = null;
    return error;
  } finally {
    hub.cur = cur;
    hub.aside = aside;
  }
}

/** `g` waits, and control is the hub's. */
function rest(hub: Hub, g: RawGreenlet): null {
  const fault = traced(hub, 'switch', g, hub);
  if (fault !== NOTHING) hub.$route(g, fault);
  return null;
}

/** The loop's turn has come to `g`. */
export function wake(hub: Hub, g: RawGreenlet): void {
  follow(hub, g, traced(hub, 'switch', hub, g));
}

/**
 * From the hub's context: raise `error` in `g` now, wherever it is. Nothing happens to one that has ended.
 * @param since - the `moment()` at which what raises it was started; a section of `g` that began later holds it back
 */
export function deliver(hub: Hub, g: RawGreenlet, error: unknown, since = 0): void {
  if (g.$state === State.DEAD) return;
  const shielding = g.$more === null ? null : g.$more.shield;
  if (shielding !== null && shielding.innermost > since) return shielding.hold(error, since);
  const next = raise(hub, hub, g, error);
  follow(hub, next, hub.takeThrown());
  hub.cur = NIL;
  hub.aside = hub;
}

/** An async body hears of it in its oldest pending operation, or else in its next one; its signal aborts at once. */
function deliverAsync(hub: Hub, g: RawGreenlet, error: unknown): null {
  const more = g.$extras();
  const first = g.$firstWaiter();
  if (first !== null) first.$throw(hub, error);
  else {
    more.pendingErrors ??= [];
    more.pendingErrors.push(error);
  }
  g.$abort(error);
  // Its continuation runs in a microtask; the loop lets it.
  hub.settledMain = true;
  return null;
}

/** First switch into `g`. */
export function start(hub: Hub, g: RawGreenlet, args: unknown[], origin: RawGreenlet = hub): RawGreenlet | null {
  const run = g.$function();
  const fault = traced(hub, 'switch', origin, g);
  if (g.$state === State.QUEUED) hub.withdraw(g.$slot);
  g.$run = run;
  enter(hub, g);
  let result: unknown;
  try {
    if (fault !== NOTHING) throw fault;
    if (typeof run !== 'function') throw new TypeError(`greenlet: run is not callable: ${describe(run)}`);
    const kind = run.constructor.name;
    if (kind === 'AsyncFunction' || kind === 'AsyncGeneratorFunction') {
      throw new TypeError('greenlet: an async function cannot be switched; use a generator function');
    }
    result = run.apply(g, g.$arguments(args));
  } catch (e) {
    return threw(hub, g, e);
  }
  if (!isBody(result)) return passUp(hub, g, g.$finished(result));
  g.$top = result;
  return g;
}

/** Control, or an error, comes to main. */
function toMain(hub: Hub, origin: RawGreenlet, value: unknown, error: unknown): null {
  const op = hub.mainSwitch;
  if (op !== null) {
    hub.mainSwitch = null;
    hub.main.$state = State.LIVE;
    if (!op.$immediate) hub.settledMain = true;
    if (error === NOTHING) op.settle(value);
    else {
      op.fail(error);
      if (!op.$heard) hub.$route(origin, error);
    }
    return null;
  }
  if (hub.throwInMain(error === NOTHING ? invalidSwitch('main', value) : error)) return null;
  if (error === NOTHING) {
    throw new GreenletError(
      'main is running and did not switch away, so it cannot be switched to',
      'GEVENT_MAIN_NOT_PARKED',
    );
  }
  hub.$route(origin, error);
  return null;
}

/** Main calls switch() or throw(): run at once until control is main's again or the hub's. */
export function enterFromMain(hub: Hub, op: SwitchOperation): void {
  const { target } = op;
  if (target.$state === State.FRESH) {
    // Looked up here, where main is current: it may be the program's own code, and start the greenlet itself.
    const run = target.$function();
    if (target.$state === State.FRESH) target.$run = run;
  }
  const { main, mainSwitch: earlier } = hub;
  let returned = true;
  hub.mainSwitch = op;
  main.$state = State.SWITCHED;
  op.$begin();
  try {
    run(hub, main, op);
    returned = op.$settled;
  } finally {
    op.$immediate = false;
    if (returned) {
      // Control is main's, and an earlier switch that went to the hub still waits for what comes next.
      hub.mainSwitch = earlier;
      main.$state = earlier === null ? State.LIVE : State.SWITCHED;
    } else earlier?.fail(new GreenletError('main switched away again', 'GEVENT_MAIN_NOT_PARKED'));
    hub.kick();
  }
  // Errors that reached main are thrown where main called.
  if (returned) void op.value;
}

/** A callback of the hub calls switch() or throw(): run at once until control is the hub's again. */
export function enterFromHub(hub: Hub, op: SwitchOperation): void {
  op.$begin();
  run(hub, hub, op);
  op.settle(undefined);
}

function run(hub: Hub, origin: RawGreenlet, op: SwitchOperation): void {
  const { cur, aside } = hub;
  const before = hub.activate();
  hub.cur = NIL;
  hub.aside = origin;
  try {
    const first = dispatch(hub, origin, op);
    follow(hub, first, hub.takeThrown());
  } finally {
    setActive(before);
    hub.cur = cur;
    hub.aside = aside;
  }
}
