// Starting bodies that are no plain generators, or that must be started with care. The generators of most programs are started by
// `Greenlet.$fire` itself.

import { NIL } from './core/contract.ts';
import type { Greenlet } from './gevent-greenlet.ts';
import { runAs } from './hub/context.ts';
import { active } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Fired, isBody } from './hub/protocol.ts';
import type { RawRun } from './hub/raw.ts';
import { isThenable, settle } from './unwind.ts';

/** While slices have contexts of their own or switches are traced. */
export function startWithCare(hub: Hub, greenlet: Greenlet, run: RawRun): number {
  const args = greenlet.$args;
  let made: unknown;
  try {
    if (hub.slices === null) made = run.apply(greenlet, args);
    else made = hub.slices.call(greenlet.$more?.context ?? null, () => run.apply(greenlet, args));
  } catch (error) {
    return concluded(hub, greenlet, false, error);
  }
  return startOther(hub, greenlet, made);
}

/** The body gave something else than a generator of this realm, or it must be run with care. */
export function startOther(hub: Hub, greenlet: Greenlet, made: unknown): number {
  if (isBody(made)) {
    hub.bodies[greenlet.$slot] = made;
    return Fired.RUN;
  }
  if (isThenable(made)) {
    hub.bodies[greenlet.$slot] = settle(made);
    return Fired.RUN;
  }
  return concluded(hub, greenlet, true, made);
}

export function startAsync(hub: Hub, greenlet: Greenlet, run: RawRun): number {
  hub.asyncBodies.add(greenlet);
  const begin = () => runAs(greenlet, () => run.apply(greenlet, greenlet.$args) as Promise<unknown>);
  hub.cur = greenlet.$slot;
  const promise = hub.slices === null ? begin() : hub.slices.call(greenlet.$more?.context ?? null, begin);
  hub.cur = NIL;
  const ended = (outcome: unknown, ok: boolean): void => {
    hub.asyncBodies.delete(greenlet);
    // What it left behind, in its own slot perhaps: nobody will hear of it.
    for (let left = greenlet.$firstWaiter(); left !== null; left = greenlet.$firstWaiter()) left.$drop(hub);
    concluded(hub, greenlet, ok, outcome);
    hub.kick();
  };
  promise.then(
    (value) => ended(value, true),
    (error: unknown) => ended(error, false),
  );
  return Fired.SETTLED;
}

/** A body that is no generator ended. What it deferred runs in its slot. */
export function concluded(hub: Hub, greenlet: Greenlet, ok: boolean, outcome: unknown): number {
  if (active === hub) hub.cur = NIL;
  const cleanup = greenlet.$more === null ? null : greenlet.$cleanup(ok, outcome);
  if (cleanup !== null) {
    hub.bodies[greenlet.$slot] = cleanup;
    hub.core.ready(greenlet.$slot);
  } else if (ok) greenlet.$finished(outcome);
  else greenlet.$failed(outcome);
  return Fired.DONE;
}
