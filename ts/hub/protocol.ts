// What a suspended body and the loop say to each other. A body is a generator; `yield*` into an operation passes the
// operation's result objects through untouched, so their identity is the message and nothing is allocated for it.
//
//   loop -> body   next(RESUME)   go on; the operation fetches its own value. Any other argument is the first call.
//   body -> loop   YIELD          put me at the back of the ready ring
//                  PARK           I am queued somewhere; do nothing
//                  CALL           run hub.callee as a frame on top of mine
//                  SwitchMessage  control goes where its operation says
//
// The `yield*` of JavaScriptCore (Bun, Safari) copies result objects, as a transpiled one does; the markers in `value` still tell them
// apart, on the slow path.

declare const park: unique symbol;
/** What operations yield to the loop. Only this library makes them, so `yield operation` does not type-check. */
export interface Park {
  readonly [park]: never;
}

/** Sent by the loop into a suspended body; tells an operation's `next` that this is not its first call. */
export const RESUME: unique symbol = Symbol('gevent.resume');

function message(name: string): IteratorYieldResult<Park> {
  return { done: false, value: Symbol(`gevent.${name}`) as unknown as Park };
}

export const YIELD: IteratorYieldResult<Park> = message('yield');
export const PARK: IteratorYieldResult<Park> = message('park');
export const CALL: IteratorYieldResult<Park> = message('call');

/** What a switch yields: the result object tells which one, so that nothing is stored on the way. */
export class SwitchMessage<Op> {
  readonly done = false;
  /** Itself: a copy leads to it. */
  readonly value: Park = this as unknown as Park;
  readonly op: Op;

  constructor(op: Op) {
    this.op = op;
  }
}

/** What an operation without a value answers when it is done. */
export const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** What a switch gives its caller. `yield*` reads it at once, so one serves all. */
export const ARRIVED: { done: true; value: unknown } = { done: true, value: undefined };

export type Body = Generator<Park, unknown, unknown>;

const prototype: Body = Object.getPrototypeOf(Object.getPrototypeOf((function* () {})()));

// Called as functions: a method call on the generator is megamorphic, since every generator function has its own prototype.
export const resumeBody: (this: Body, sent: unknown) => IteratorResult<Park, unknown> = prototype.next;
export const throwInBody: (this: Body, error: unknown) => IteratorResult<Park, unknown> = prototype.throw;

const ThisRealms = (() => {}) as unknown as abstract new () => Body;
ThisRealms.prototype = prototype;

/** True for generator objects, also those of another realm. */
export function isBody(value: unknown): value is Body {
  // Asking for the tag of an object is a microsecond where it is rarely done.
  if (value instanceof ThisRealms) return true;
  return typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === '[object Generator]';
}

/** What the owner of a slot did when its turn came. */
export const Fired = {
  /** All of it; the loop goes on. */
  DONE: 0,
  /** Its generator is in place; the loop resumes it now. */
  RUN: 1,
  /** It settled a promise: the loop lets the continuations run before it goes on. */
  SETTLED: 2,
} as const;

/** What the core's slots stand for, on this side. */
export interface Fires<H> {
  /** The slot's turn has come. The slot is loose. */
  $fire(hub: H, slot: number): number;
  /** It stands for greenlets that are not made yet: make them, somebody wants to see them. */
  $expand?(): void;
}

/** Where a greenlet is in its life; drawn in raw.ts. */
export const State = { FRESH: 0, QUEUED: 1, LIVE: 2, SWITCHED: 3, DEAD: 4 } as const;
