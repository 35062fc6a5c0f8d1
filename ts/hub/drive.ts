// Carrying control: from the loop into a body, from frame to frame inside one greenlet, from greenlet to greenlet.
// The loop in hub.ts resumes bodies itself as long as they only yield and park; everything else comes through here.
//
// D1  while a body runs, hub.cur is its slot, or NIL and hub.aside its greenlet
// D2  a greenlet suspended in switch() is SWITCHED and in no queue of the core; one waiting for the hub is LIVE
// D3  control ends at the hub (null), at main, or in an exception of the loop itself, never in between

import { NIL } from '../core/contract.ts';
import { GreenletError, GreenletExit, InvalidSwitchError } from '../exceptions.ts';
import { setActive } from './current.ts';
import type { Hub } from './hub.ts';
import { isOperation, notAnOperation, type Operation } from './operation.ts';
import {
  type Body,
  CALL,
  isBody,
  PARK,
  type Park,
  RESUME,
  resumeBody,
  SWITCH,
  throwInBody,
  YIELD,
} from './protocol.ts';
import { type RawGreenlet, State, type SwitchOperation } from './raw.ts';

/** No exception is on its way; undefined can be thrown, so it cannot say so. */
export const NOTHING: unique symbol = Symbol('gevent.nothing');

/**
 * Run `g` and whoever it gives control to, until control is the hub's or main's.
 * @param error - thrown in instead of resuming, unless NOTHING
 */
export function follow(hub: Hub, g: RawGreenlet | null, error: unknown = NOTHING): void {
  let next = g;
  let thrown = error;
  while (next !== null) {
    const greenlet = next;
    const body = greenlet.$top as Body;
    enter(hub, greenlet);
    let result: IteratorResult<Park, unknown>;
    try {
      const sent = hub.reply;
      hub.reply = RESUME;
      result = hub.slices === null ? resume(body, sent, thrown) : hub.slices.run(greenlet, body, sent, thrown);
    } catch (e) {
      next = threw(hub, greenlet, e);
      thrown = hub.takeThrown();
      continue;
    }
    next = after(hub, greenlet, result);
    thrown = hub.takeThrown();
  }
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
  if (result === PARK) return null;
  if (result === SWITCH) return carryOut(hub, g);
  if (result === CALL) return push(g, hub.takeCallee(), false);
  if (result === YIELD) {
    hub.core.ready(hub.slotOf(g));
    return null;
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
  return g.$failed(error) ? raise(hub, g, g.$parent, error) : passUp(hub, g, error);
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
  // A transpiled yield* hands over copies of our messages.
  for (const known of [PARK, SWITCH, CALL, YIELD]) {
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
function carryOut(hub: Hub, origin: RawGreenlet): RawGreenlet | null {
  const op = hub.transfer as SwitchOperation;
  hub.transfer = null;
  const slot = origin.$slot;
  origin.$state = State.SWITCHED;
  // A raw greenlet gives its slot back: suspended in a switch it waits for no one the core knows.
  if (slot !== NIL && origin.$isRaw) {
    const body = hub.bodies[slot];
    origin.$slot = NIL;
    origin.$body = body;
    hub.release(slot);
  }
  try {
    return op.error === null ? give(hub, origin, op.target, pack(op.args), op.args) : raise(hub, origin, op.target, op.error.error);
  } catch (e) {
    // Refused before anything moved: the caller hears it.
    hub.throwNext(e);
    return origin;
  }
}

/** How greenlet packs arguments: none, one, several. */
export function pack(args: unknown[]): unknown {
  return args.length <= 1 ? args[0] : args;
}

/** Give control to `target` with a value. */
export function give(
  hub: Hub,
  origin: RawGreenlet,
  target: RawGreenlet | null,
  value: unknown,
  args: unknown[],
): RawGreenlet | null {
  let to = target;
  while (to !== null && to.$state === State.DEAD) to = to.$parent;
  hub.tracer?.('switch', origin, to ?? hub);
  if (to === null || to === hub) return null;
  if (to === hub.main) return toMain(hub, origin, value, NOTHING);
  if (to.$state === State.FRESH || to.$state === State.QUEUED) return start(hub, to, args);
  if (to.$state === State.SWITCHED || to === origin) {
    hub.payload = value;
    return to;
  }
  hub.interrupt(to);
  hub.throwNext(new InvalidSwitchError(`Invalid switch into ${to}: it waits for the hub, and got ${String(value)}`));
  return to;
}

/** Raise `error` in `target`. */
export function raise(hub: Hub, origin: RawGreenlet, target: RawGreenlet | null, error: unknown): RawGreenlet | null {
  let to = target;
  if (to !== null && to.$state === State.DEAD) {
    if (error instanceof GreenletExit) return give(hub, origin, to, error, [error]);
    while (to !== null && to.$state === State.DEAD) to = to.$parent;
  }
  hub.tracer?.('throw', origin, to ?? hub);
  if (to === null || to === hub) {
    hub.handleError(origin, error);
    return null;
  }
  if (to === hub.main) return toMain(hub, origin, undefined, error);
  if (to.$state === State.FRESH || to.$state === State.QUEUED) {
    to.$function();
    return to.$failed(error) ? raise(hub, to, to.$parent, error) : passUp(hub, to, error);
  }
  if (to.$state === State.LIVE && to !== origin) hub.interrupt(to);
  hub.throwNext(error);
  return to;
}

/** From the hub's context: raise `error` in `g` now, wherever it is. Nothing happens to one that has ended. */
export function deliver(hub: Hub, g: RawGreenlet, error: unknown): void {
  if (g.$state === State.DEAD) return;
  if (hub.asyncBodies.has(g)) {
    deliverAsync(hub, g, error);
    return;
  }
  const next = raise(hub, hub, g, error);
  follow(hub, next, hub.takeThrown());
  hub.cur = NIL;
  hub.aside = hub;
}

/** An async body hears of it in its oldest pending operation, or else in its next one; its signal aborts at once. */
function deliverAsync(hub: Hub, g: RawGreenlet, error: unknown): void {
  const more = g.$extras();
  const first = more.waiters?.first ?? null;
  if (first !== null) first.$throw(hub, error);
  else more.pendingError = { error };
  if (error instanceof GreenletExit) more.controller?.abort(error);
  // Its continuation runs in a microtask; the loop lets it.
  hub.settledMain = true;
}

/** First switch into `g`. */
export function start(hub: Hub, g: RawGreenlet, args: unknown[]): RawGreenlet | null {
  const run = g.$function();
  if (g.$state === State.QUEUED) hub.core.unready(g.$slot);
  g.$run = run;
  enter(hub, g);
  let result: unknown;
  try {
    if (typeof run !== 'function') throw new TypeError(`greenlet: run is not callable: ${String(run)}`);
    if (run.constructor.name === 'AsyncFunction') {
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

/** `g` is dead; its value goes to the nearest living ancestor. */
function passUp(hub: Hub, g: RawGreenlet, value: unknown): RawGreenlet | null {
  if (g.$parent === null || g.$parent === hub) {
    hub.tracer?.('switch', g, hub);
    return null;
  }
  try {
    return give(hub, g, g.$parent, value, [value]);
  } catch (e) {
    return raise(hub, g, g.$parent?.$parent ?? null, e);
  }
}

/** Control, or an error, comes to main. */
function toMain(hub: Hub, origin: RawGreenlet, value: unknown, error: unknown): null {
  const op = hub.mainSwitch;
  if (op !== null) {
    hub.mainSwitch = null;
    hub.main.$state = State.LIVE;
    if (error === NOTHING) op.settle(value);
    else op.fail(error);
    hub.settledMain = true;
    return null;
  }
  const failure =
    error !== NOTHING
      ? error
      : new InvalidSwitchError(`Invalid switch into main: it waits for the hub, and got ${String(value)}`);
  if (hub.throwInMain(failure)) return null;
  if (error === NOTHING) {
    throw new GreenletError('main is running and did not switch away, so it cannot be switched to', 'GEVENT_MAIN_NOT_PARKED');
  }
  hub.handleError(origin, error);
  return null;
}

/** Main calls switch() or throw(): run at once until control is main's again or the hub's. */
export function enterFromMain(hub: Hub, op: SwitchOperation): void {
  op.$fromMain = true;
  const outer = hub.mainSwitch;
  hub.mainSwitch = op;
  hub.main.$state = State.SWITCHED;
  run(hub, hub.main, op);
  if (op.$settled) {
    // Errors that reached main are thrown where main called.
    void op.value;
    hub.kick();
    return;
  }
  hub.mainSwitch = op;
  if (outer !== null) outer.fail(new GreenletError('main switched away again', 'GEVENT_MAIN_NOT_PARKED'));
  hub.kick();
}

/** A callback of the hub calls switch() or throw(): run at once until control is the hub's again. */
export function enterFromHub(hub: Hub, op: SwitchOperation): void {
  run(hub, hub, op);
  op.result = { value: undefined };
}

function run(hub: Hub, origin: RawGreenlet, op: SwitchOperation): void {
  const { cur, aside } = hub;
  const before = hub.activate();
  try {
    const first =
      op.error === null
        ? give(hub, origin, op.target, pack(op.args), op.args)
        : raise(hub, origin, op.target, op.error.error);
    follow(hub, first, hub.takeThrown());
  } catch (e) {
    if (origin === hub.main) {
      hub.mainSwitch = null;
      hub.main.$state = State.LIVE;
    }
    throw e;
  } finally {
    setActive(before);
    hub.cur = cur;
    hub.aside = aside;
  }
}
