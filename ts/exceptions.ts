// gevent's exception classes, each with a stable `code`.
//
// Two of them, GreenletExit and Timeout, are *control* exceptions: thrown into a body to make it end or go on elsewhere,
// where Python derives them from BaseException so that `except Exception` lets them pass. A JavaScript `catch` sees
// everything; hence isControl and rethrowControl. They are made by the thousand, and capturing a stack is nine tenths
// of the price of an Error; so they are instances of Error by prototype, without a captured stack.

/** Common base of what this library throws to say that a program is wrong. `code` is stable, the text is not. */
export class GeventError extends Error {
  static override readonly name: string = 'GeventError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** Base of the control exceptions. An Error by prototype, made without capturing a stack. */
export class ControlException {
  static readonly name: string = 'ControlException';
  declare readonly code: string;
  /** The text after the class name. */
  declare message: string;
  /** Where it was thrown in, as far as it is known: the class name and message. */
  declare stack: string;
  declare cause?: unknown;

  get name(): string {
    return this.constructor.name;
  }

  toString(): string {
    return this.message ? `${this.name}: ${this.message}` : this.name;
  }
}
Object.setPrototypeOf(ControlException.prototype, Error.prototype);
Object.defineProperty(ControlException.prototype, 'stack', {
  configurable: true,
  get(this: ControlException): string {
    return `${this.toString()}\n    (control exception: no stack is kept)`;
  },
  set(this: ControlException, value: unknown) {
    Object.defineProperty(this, 'stack', { value, writable: true, configurable: true });
  },
});
Object.defineProperty(ControlException.prototype, 'message', { value: '', writable: true, configurable: true });

/**
 * Thrown into a greenlet by `kill()`. Uncaught it ends the greenlet silently, and the exception object is its value.
 * @see `greenlet.GreenletExit`, the source.
 */
export class GreenletExit extends ControlException {
  static override readonly name: string = 'GreenletExit';
  static {
    Object.defineProperty(GreenletExit.prototype, 'code', { value: 'GEVENT_GREENLET_EXIT' });
  }

  constructor(message?: string) {
    super();
    if (message !== undefined) this.message = message;
  }
}

/** Internal to the hub: the loop it belongs to is going away. */
export class HubDestroyed extends GreenletExit {
  static override readonly name: string = 'HubDestroyed';
}

/** Nothing can wake those who wait. The message lists them. `hub` is where it happened. */
export class LoopExit extends GeventError {
  static override readonly name: string = 'LoopExit';
  declare readonly hub: unknown;

  constructor(message: string, hub: unknown) {
    super('GEVENT_LOOP_EXIT', message);
    // Not enumerable: printing the error must not print the whole hub.
    Object.defineProperty(this, 'hub', { value: hub });
  }
}

/** A blocking operation was consumed by the hub itself, that is inside one of its callbacks. */
export class BlockingSwitchOutError extends GeventError {
  static override readonly name: string = 'BlockingSwitchOutError';
  constructor(message = 'Impossible to call blocking function in the event loop callback') {
    super('GEVENT_SWITCH_IN_HUB', message);
  }
}

/** Somebody switched into a greenlet that was waiting for something else. Raised in that greenlet. */
export class InvalidSwitchError extends GeventError {
  static override readonly name: string = 'InvalidSwitchError';
  constructor(message: string) {
    super('GEVENT_INVALID_SWITCH', message);
  }
}

/** Two greenlets used something at once that serves one at a time. */
export class ConcurrentObjectUseError extends GeventError {
  static override readonly name: string = 'ConcurrentObjectUseError';
  constructor(message: string) {
    super('GEVENT_CONCURRENT_USE', message);
  }
}

/** An object bound to one hub was used from another. */
export class InvalidThreadUseError extends GeventError {
  static override readonly name: string = 'InvalidThreadUseError';
  constructor(message: string) {
    super('GEVENT_INVALID_THREAD_USE', message);
  }
}

/** What the greenlet primitive calls `greenlet.error`: a switch that cannot be made. */
export class GreenletError extends GeventError {
  static override readonly name: string = 'GreenletError';
  constructor(message: string, code = 'GEVENT_GREENLET_ERROR') {
    super(code, message);
  }
}

/** A mistake in the use of operations: consumed twice, never consumed, or something else was yielded. */
export class OperationError extends GeventError {
  static override readonly name: string = 'OperationError';
}

/** Ends the process when it reaches the main greenlet; never printed by the hub. Python's `SystemExit`. */
export class SystemExit extends ControlException {
  static override readonly name: string = 'SystemExit';
  static {
    Object.defineProperty(SystemExit.prototype, 'code', { value: 'GEVENT_SYSTEM_EXIT' });
  }
  readonly exitCode: number;

  constructor(exitCode = 0) {
    super();
    this.exitCode = exitCode;
    this.message = String(exitCode);
  }
}

/** An interrupt from the keyboard (SIGINT), routed to the main greenlet. Python's `KeyboardInterrupt`. */
export class KeyboardInterrupt extends ControlException {
  static override readonly name: string = 'KeyboardInterrupt';
  static {
    Object.defineProperty(KeyboardInterrupt.prototype, 'code', { value: 'GEVENT_KEYBOARD_INTERRUPT' });
  }
}

/**
 * True for the exceptions that a general `catch` must let pass: GreenletExit, Timeout and the like.
 *
 *     try { yield* work(); } catch (e) { if (isControl(e)) throw e; log(e); }
 */
export function isControl(error: unknown): error is ControlException {
  return error instanceof ControlException;
}

/** Throw `error` again if it is a control exception, else return. For the first line of a general `catch`. */
export function rethrowControl(error: unknown): void {
  if (error instanceof ControlException) throw error;
}
