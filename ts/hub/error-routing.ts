// What becomes of an exception that leaves a greenlet or a callback: a report, and main hears of the worst.

import { config } from '../config.ts';
import { describe } from '../core/arguments.ts';
import { BlockingSwitchOutError, GreenletExit, HubDestroyed, KeyboardInterrupt, SystemExit } from '../exceptions.ts';
import { isBody } from './protocol.ts';
import { RawGreenlet } from './raw.ts';

/** The part of a hub that routes errors. */
export abstract class ErrorRouting extends RawGreenlet {
  /** Exceptions that are not reported. Extend it per hub. */
  NOT_ERROR: (abstract new (...args: any[]) => object)[] = [GreenletExit, SystemExit];
  /** Exceptions that are raised in main as well. Extend it per hub. */
  SYSTEM_ERROR: (abstract new (...args: any[]) => object)[] = [KeyboardInterrupt, SystemExit];
  /** Where reports go; null: nowhere. */
  exceptionStream: { write(text: string): unknown } | null = null;
  /** The hub's own name, shown in reports. */
  name = '';

  /** @internal Call `fn` in the hub's own context; its errors are routed with `about` as what failed. */
  callback(about: unknown, fn: (...args: any[]) => unknown, args: unknown[]): void {
    try {
      const result = fn(...args);
      if (isBody(result)) {
        throw new BlockingSwitchOutError(
          'Impossible to call blocking function in the event loop callback: a callback must be a plain function; spawn() a generator function',
        );
      }
      if (result instanceof Promise) result.then(undefined, (error: unknown) => this.$route(about, error));
    } catch (error) {
      this.$route(about, error);
    }
  }

  /**
   * What becomes of an exception that left a greenlet or callback: reported, unless it is in `NOT_ERROR`, and raised in main
   * if `context` is null or it is in `SYSTEM_ERROR`. May be replaced by assignment.
   */
  handleError(context: unknown, error: unknown): void {
    if (error instanceof HubDestroyed) throw error;
    if (!this.NOT_ERROR.some((type) => error instanceof type)) {
      try {
        this.printException(context, error);
      } catch {
        // A report that fails must not take the loop with it.
      }
    }
    if (context === null || this.SYSTEM_ERROR.some((type) => error instanceof type)) this.handleSystemError(error);
  }

  /** @internal `handleError`, when it may have been replaced by something that fails itself. */
  $route(context: unknown, error: unknown): void {
    try {
      this.handleError(context, error);
    } catch (failure) {
      if (failure instanceof HubDestroyed) throw failure;
      try {
        this.printException(context, failure);
      } catch {
        // Nothing is left to tell it to.
      }
    }
  }

  /** Raise `error` in main: in its oldest pending operation, or else as the platform's uncaught exception. */
  abstract handleSystemError(error: unknown): void;

  /** Write the report of an error: its stack, then when, what and how it failed. */
  printException(context: unknown, error: unknown): void {
    const [kind, stack] = told(error);
    const about = context === null || context === undefined ? '' : `${this.formatContext(context)} failed with ${kind}`;
    this.report(`${stack}\n${new Date().toISOString()} ${about}\n\n`);
  }

  /** How a report names what failed: `config.formatContext`. */
  formatContext(context: unknown): string {
    return config.formatContext(context);
  }

  /** Write to the exception stream, if there is one. */
  report(text: string): void {
    try {
      this.exceptionStream?.write(text);
    } catch {
      // A stream that fails loses the report and nothing else.
    }
  }
}

/** The class and the text of whatever was thrown. It may be anything, and refuse to be looked at. */
function told(error: unknown): [kind: string, text: string] {
  try {
    if (error instanceof Error) return [error.name, error.stack ?? String(error)];
    return [error === null ? 'null' : typeof error, `thrown: ${typeof error === 'string' ? error : String(error)}`];
  } catch {
    return [typeof error, `thrown: ${describe(error)}, which cannot be read`];
  }
}
