// What the monitor's worker thread runs. It looks at a number that the watched thread raises with every switch, and when that
// stands still it has the watched thread stop for a moment, by the inspector, and tells where.
//
// The function is sent as text, so it sees nothing of this file but its own inside.

/** Places in the shared numbers. */
export const Shared = {
  /** Raised with every switch, and by a timer while nothing switches. */
  BEATS: 0,
  /** Milliseconds that may pass without a beat; 0: any. */
  LIMIT: 1,
  /** 1: the worker may print a report that nobody else can. */
  PRINT: 2,
  /** Number of the last report that the worker has printed. */
  PRINTED: 3,
} as const;

/** What the worker tells of a block. */
export interface BlockReport {
  readonly id: number;
  readonly limitMs: number;
  /** Who runs, if the watched thread could be asked. */
  readonly name: string | null;
  /** Where, as stack lines, innermost first; null: it is in native code, or there is no inspector. */
  readonly stack: string[] | null;
}

/** Under this symbol the watched thread says who runs, and remembers it by the report's number. Null: leave it alone. */
export const ASKED = 'gevent-wasm.monitor';

/** Runs in the worker. */
export function watch(): void {
  const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads');
  const fs = process.getBuiltinModule('node:fs');
  const inspector = process.getBuiltinModule('node:inspector');
  const [BEATS, LIMIT, PRINT, PRINTED] = [0, 1, 2, 3];
  const QUIET_MS = 1000;
  const shared = new Int32Array(workerData.shared as SharedArrayBuffer);
  let seen = shared[BEATS];
  let since = performance.now();
  /** No report before; doubled while one block lasts. */
  let nextReport = 0;
  let pause = QUIET_MS;
  let asking = false;
  let id = 0;

  function look(): void {
    const limit = Atomics.load(shared, LIMIT);
    setTimeout(look, limit > 0 ? limit / 2 : 100);
    const beats = Atomics.load(shared, BEATS);
    const now = performance.now();
    if (beats !== seen || limit === 0) {
      seen = beats;
      since = now;
      pause = QUIET_MS;
      return;
    }
    if (now - since < limit || now < nextReport || asking) return;
    nextReport = now + pause;
    pause *= 2;
    report(beats, limit);
  }

  function report(beats: number, limitMs: number): void {
    const number = ++id;
    asking = true;
    ask(number, beats, (answer) => {
      asking = false;
      // It went on meanwhile, in the very last moment, or asks to be left alone.
      if (answer === null) return;
      const told = { id: number, limitMs, ...answer };
      parentPort?.postMessage(told);
      setTimeout(() => {
        // The thread that should print it has not come free.
        if (Atomics.load(shared, BEATS) !== beats || Atomics.load(shared, PRINT) !== 1) return;
        Atomics.store(shared, PRINTED, number);
        const name = told.name ?? 'The main thread';
        const text = [
          '='.repeat(80),
          `${new Date().toISOString()} : ${name} appears to be blocked, and still is after ${((performance.now() - since) / 1000).toFixed(1)} s`,
          ...(told.stack ?? ['    (in native code, or no inspector: no stack)']),
        ];
        fs.writeSync(2, `${text.join('\n')}\n`);
      }, 1000);
    });
  }

  type Answer = { name: string | null; stack: string[] | null };

  function ask(number: number, beats: number, done: (answer: Answer | null) => void): void {
    let session: import('node:inspector').Session | null = null;
    let over = false;
    const end = (answer: Answer | null) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      try {
        session?.disconnect();
      } catch {
        // It was never connected.
      }
      done(answer);
    };
    // In native code nothing can stop it.
    const timer = setTimeout(() => end({ name: null, stack: null }), 500);
    try {
      session = new inspector.Session();
      session.connectToMainThread();
      const to = session;
      // Frames tell their script by number.
      const urls = new Map<string, string>();
      to.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
      to.once('Debugger.paused', ({ params }) => {
        const frames = params.callFrames;
        const stack = frames.map(({ functionName, location }) => {
          const at = `${urls.get(location.scriptId) ?? ''}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1}`;
          return functionName === '' ? `    at ${at}` : `    at ${functionName} (${at})`;
        });
        const expression = `globalThis[Symbol.for(${JSON.stringify(workerData.asked)})]?.(${number})`;
        // Not on the frame: it may be one of the platform's own, with globals of its own.
        to.post('Runtime.evaluate', { expression, returnByValue: true }, (error, answer) => {
          const wentOn = Atomics.load(shared, BEATS) !== beats;
          to.post('Debugger.resume', () => {
            if (wentOn) return end(null);
            if (error !== null || answer.exceptionDetails !== undefined) end({ name: null, stack });
            else if (typeof answer.result.value !== 'string') end(null);
            else end({ name: answer.result.value, stack });
          });
        });
      });
      to.post('Debugger.enable');
      to.post('Debugger.pause');
    } catch {
      end({ name: null, stack: null });
    }
  }

  look();
}
