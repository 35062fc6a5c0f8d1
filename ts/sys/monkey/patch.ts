// The patches: what each puts in place of what, where. `apply` tells subscribers of every target.

import type { EventEmitter } from 'node:events';
import { promisify } from 'node:util';
import { carryGreenlets } from '../../hub/context.ts';
import { threadHub } from '../../hub/current.ts';
import { setPlatformTimers } from '../../hub/host.ts';
import { type Body, isBody, type Park } from '../../hub/protocol.ts';
import { withoutCallback } from './calls.ts';
import { arrivals } from './objects.ts';
import { aborting, dress, iterate, lastOptions } from './promises.ts';
import { named, patchModule, type Target } from './registry.ts';
import { beginTimers, originals, patched } from './timers.ts';
import { scheduler, timersPromises } from './timers-promises.ts';

type Items = Record<PropertyKey, unknown>;
type AnyFunction = (...args: any[]) => any;

/** Replace the items of one target. True unless a subscriber refused. */
function put(target: Target, items: Items): boolean {
  return patchModule(target, items, { items: Reflect.ownKeys(items) });
}

/** All of them; true unless every one was refused. */
function all(...done: boolean[]): boolean {
  return done.includes(true);
}

/** Made once for each original, so that patching again replaces nothing by something new. */
const made = new Map<AnyFunction, AnyFunction>();

function once<F extends AnyFunction>(original: F, make: (original: F) => F): F {
  const known = made.get(original);
  if (known !== undefined) return known as F;
  const replacement = make(original);
  made.set(original, replacement);
  // What is in place already stays.
  made.set(replacement, replacement);
  return replacement;
}

function builtin(name: string): Record<string, any> {
  return process.getBuiltinModule(name) as Record<string, any>;
}

/** Those of `names` that this Node has, with `make` over each. */
function wrapped(
  holder: Record<string, any>,
  names: readonly string[],
  make: (name: string, original: AnyFunction) => AnyFunction,
): Items {
  const items: Items = {};
  for (const name of names) {
    const original: unknown = holder[name];
    if (typeof original === 'function') items[name] = once(original as AnyFunction, (it) => make(name, it));
  }
  return items;
}

function waitable(name: string, { prototype, iterate }: { prototype: object; iterate: AnyFunction }): boolean {
  return put(named(name, prototype), { [Symbol.iterator]: iterate });
}

/**
 * setTimeout, setInterval, setImmediate and what clears them, global and of `node:timers`, and all of `node:timers/promises`: on the
 * hub's timers, and on its virtual clock while one is simulated. All patches give false if subscribers refused them altogether.
 * @see `gevent.monkey.patch_time`, the source, which replaces `time.sleep`.
 */
export function patchTime(): boolean {
  setPlatformTimers(originals);
  beginTimers();
  const promises = builtin('timers/promises');
  return all(
    put('timers', patched),
    put('globalThis', patched),
    put('timers/promises', { ...timersPromises }),
    put(named('timers/promises.scheduler', promises.scheduler), scheduler),
  );
}

/**
 * Any promise can be waited for in a generator body: `const { rows } = yield* client.query(text)`.
 * @param options.classes - further classes with a `then`, which are no promises
 */
export function patchPromise(
  options: { classes?: readonly (abstract new (...args: any[]) => PromiseLike<any>)[] } = {},
): boolean {
  const { classes = [] } = options;
  for (const type of classes) {
    if (typeof type !== 'function' || typeof type.prototype?.then !== 'function')
      throw new TypeError('patchPromise(classes): expected classes whose objects have a then()');
  }
  const items = { [Symbol.iterator]: iterate };
  return all(
    put(named('Promise.prototype', Promise.prototype), items),
    ...classes.map((type) => put(named(`${type.name}.prototype`, type.prototype), items)),
  );
}

const DNS = [
  'lookup',
  'lookupService',
  'resolve',
  'resolve4',
  'resolve6',
  'resolveAny',
  'resolveCaa',
  'resolveCname',
  'resolveMx',
  'resolveNaptr',
  'resolveNs',
  'resolvePtr',
  'resolveSoa',
  'resolveSrv',
  'resolveTlsa',
  'resolveTxt',
  'reverse',
];

/**
 * `dns` functions without their callback give an operation: `const { address } = yield* dns.lookup('localhost')`.
 * @see `gevent.monkey.patch_dns`, the source.
 */
export function patchDns(): boolean {
  const dns = builtin('dns');
  const { prototype } = dns.Resolver;
  return all(
    put(
      'dns',
      wrapped(dns, DNS, (name, it) => withoutCallback(`dns.${name}`, it)),
    ),
    put(
      named('dns.Resolver.prototype', prototype),
      wrapped(prototype, DNS, (name, it) => withoutCallback(`Resolver.${name}`, it)),
    ),
  );
}

/**
 * `yield*` of a socket waits until it is connected, of a server until it listens, of a request until the response is there; `fetch` is
 * aborted when its waiter is killed or timed out.
 * @param options.dns - `patchDns` as well. Default true
 * @see `gevent.monkey.patch_socket`, the source.
 */
export function patchSocket(options: { dns?: boolean } = {}): boolean {
  const done = [
    waitable('net.Socket.prototype', arrivals.connected),
    waitable('net.Server.prototype', arrivals.listening),
    waitable('dgram.Socket.prototype', arrivals.bound),
    waitable('http.ClientRequest.prototype', arrivals.responded),
    put('globalThis', { fetch: once(globalThis.fetch, (it) => aborting(it, 1)) }),
  ];
  if (options.dns !== false) done.push(patchDns());
  return all(...done);
}

/**
 * `yield* tls.connect(…)` waits until the connection is secure.
 * @see `gevent.monkey.patch_ssl`, the source.
 */
export function patchSsl(): boolean {
  return waitable('tls.TLSSocket.prototype', arrivals.secured);
}

/**
 * `stream.pipeline` and `stream.finished` without their callback give an operation; those of `node:stream/promises` are aborted when their
 * waiter is killed or timed out.
 * @see `gevent.monkey.patch_select`, the source: what tells of readiness there, streams do in Node.
 */
export function patchSelect(): boolean {
  const stream = builtin('stream');
  const promises = builtin('stream/promises');
  return all(
    put(
      'stream',
      wrapped(stream, ['pipeline', 'finished'], (name, it) =>
        withoutCallback(`stream.${name}`, it, name === 'finished' ? 1 : lastOptions),
      ),
    ),
    put('stream/promises', {
      pipeline: once(promises.pipeline, (it) => aborting(it, lastOptions)),
      finished: once(promises.finished, (it) => aborting(it, 1)),
    }),
  );
}

/**
 * `yield* once(emitter, 'event')` takes its listeners away when it is killed or timed out.
 * @see `gevent.monkey.patch_selectors`, the source: events are what selectors are for.
 */
export function patchSelectors(): boolean {
  return put('events', { once: once(builtin('events').once, (it) => aborting(it, 2)) });
}

/** `exec` with a promise form that ends the child when its waiter leaves; the original's cannot be replaced. */
function ending(original: AnyFunction): AnyFunction {
  const promised = aborting((original as any)[promisify.custom] as AnyFunction, lastOptions);
  const replacement = (...args: any[]): unknown => original(...args);
  Object.defineProperty(replacement, promisify.custom, { value: promised });
  return dress(replacement, original);
}

/**
 * `const code = yield* spawn('make')` waits for a child; `promisify(exec)` and `promisify(execFile)` end theirs when their waiter is killed
 * or timed out.
 * @see `gevent.monkey.patch_subprocess`, the source.
 */
export function patchSubprocess(): boolean {
  return all(
    waitable('child_process.ChildProcess.prototype', arrivals.exited),
    put(
      'child_process',
      wrapped(builtin('child_process'), ['exec', 'execFile'], (_name, it) => ending(it)),
    ),
  );
}

/** Functions of fs that need a callback. Not `close`, which may do without. */
const FS = [
  'access',
  'appendFile',
  'chmod',
  'chown',
  'copyFile',
  'cp',
  'exists',
  'fchmod',
  'fchown',
  'fdatasync',
  'fstat',
  'fsync',
  'ftruncate',
  'futimes',
  'glob',
  'lchown',
  'link',
  'lstat',
  'lutimes',
  'mkdir',
  'mkdtemp',
  'open',
  'opendir',
  'read',
  'readFile',
  'readdir',
  'readlink',
  'readv',
  'realpath',
  'rename',
  'rm',
  'rmdir',
  'stat',
  'statfs',
  'symlink',
  'truncate',
  'unlink',
  'utimes',
  'write',
  'writeFile',
  'writev',
];
/** Where those that can be aborted take their options. */
const FS_SIGNALS: Record<string, number> = { readFile: 1, writeFile: 2 };

/**
 * `fs` functions without their callback give an operation: `const text = yield* fs.readFile(path, 'utf8')`; what can be aborted, of
 * `fs` and of `fs.promises`, is when its waiter is killed or timed out.
 * @see `gevent.monkey.patch_os`, the source: what blocks in its `os` is in Node's `fs`.
 */
export function patchOs(): boolean {
  const files = builtin('fs/promises');
  return all(
    put(
      'fs',
      wrapped(builtin('fs'), FS, (name, it) => withoutCallback(`fs.${name}`, it, FS_SIGNALS[name] ?? null)),
    ),
    put(
      'fs/promises',
      wrapped(files, ['readFile', 'writeFile'], (name, it) => aborting(it, FS_SIGNALS[name])),
    ),
  );
}

/** What the platform's threads do, told by callback. */
const CRYPTO = [
  'argon2',
  'checkPrime',
  'generateKey',
  'generateKeyPair',
  'generatePrime',
  'hkdf',
  'pbkdf2',
  'randomFill',
  'scrypt',
];
const ZLIB = [
  'brotliCompress',
  'brotliDecompress',
  'deflate',
  'deflateRaw',
  'gunzip',
  'gzip',
  'inflate',
  'inflateRaw',
  'unzip',
  'zstdCompress',
  'zstdDecompress',
];

/**
 * What a greenlet begins in the platform knows whose it is: in callbacks and behind promises `getcurrent()`, `local` and ContextVar
 * are those of the greenlet that began it. And what the platform's threads do, of `crypto` and `zlib`, gives an operation without its
 * callback: `const key = yield* crypto.scrypt(password, salt, 64)`.
 * @param options.callbacks - false: leave the greenlets out, for every switch then costs more. Default true
 * @see `gevent.monkey.patch_thread`, the source.
 */
export function patchThread(options: { callbacks?: boolean } = {}): boolean {
  if (options.callbacks !== false) carryGreenlets(true);
  return all(
    put(
      'crypto',
      wrapped(builtin('crypto'), CRYPTO, (name, it) => withoutCallback(`crypto.${name}`, it)),
    ),
    put(
      'zlib',
      wrapped(builtin('zlib'), ZLIB, (name, it) => withoutCallback(`zlib.${name}`, it)),
    ),
  );
}

function* handled(body: Body): Generator<Park, unknown, any> {
  return yield* body;
}

const GeneratorFunction = Object.getPrototypeOf(function* () {}).constructor;

/** `process.on` and its kin: a generator function that handles a signal runs as a greenlet. */
function spawning(original: AnyFunction): AnyFunction {
  return dress(function (this: EventEmitter, event: unknown, listener: unknown): unknown {
    const signal = typeof event === 'string' && event.startsWith('SIG') && listener instanceof GeneratorFunction;
    if (!signal) return original.call(this, event, listener);
    const emitter = this;
    const runs = function (this: unknown, ...args: unknown[]): void {
      const body: unknown = (listener as AnyFunction).apply(emitter, args);
      if (isBody(body)) threadHub().spawn(handled, body);
    };
    // By this `off(event, listener)` finds it.
    return original.call(this, event, Object.assign(runs, { listener }));
  }, original);
}

/**
 * `process.on('SIGTERM', function* () {…})`: a generator function that handles a signal runs as a greenlet.
 * @see `gevent.monkey.patch_signal`, the source.
 */
export function patchSignal(): boolean {
  const names = ['on', 'addListener', 'prependListener'];
  return put(
    named('process', process),
    wrapped(process as Record<string, any>, names, (_name, it) => spawning(it)),
  );
}

/** Take the effects back that are no items. */
export function unpatchEffects(): void {
  setPlatformTimers(null);
  carryGreenlets(false);
}
