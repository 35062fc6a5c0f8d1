// What guests can import from the module `gevent`, besides what the engines themselves switch (`yield`, `sleep`) and `spawn`.
// docs/guest-imports.md says what each does; C's, Rust's and AssemblyScript's bindings repeat the signatures.

import { NIL } from '../core/contract.ts';
import { Greenlet } from '../gevent-greenlet.ts';
import { Waiter } from '../hub/operation.ts';
import { getcurrent, type RawGreenlet } from '../hub/raw.ts';
import { ENV } from './abi-assembly.ts';
import { FILES } from './abi-files.ts';
import { SOCKETS } from './abi-sockets.ts';
import { SYNC } from './abi-sync.ts';
import { Answer, rethrow } from './answer.ts';
import { type Builtin, blocks, direct, limitOf, plain } from './builtin.ts';
import { Errno, errnoOf, LATE } from './errno.ts';
import { GuestError } from './errors.ts';
import type { Instance } from './instance.ts';
import { textAt } from './memory.ts';

const SLOTS = 2 ** 24;

/** The greenlet that an id names, or null if it has ended. */
function greenletOf(instance: Instance, id: number): Greenlet<any> | null {
  const { hub } = instance;
  const known = Number.isSafeInteger(id) && id >= 0 && id % SLOTS < hub.owners.length;
  const slot = known ? hub.core.resolve(id) : NIL;
  if (slot === NIL) {
    if (known) return null;
    throw new GuestError('GEVENT_GUEST_HANDLE', `${instance.name}: expected the id of a greenlet, got ${id}`);
  }
  let owner: unknown = instance.engine.ownerOf(slot);
  // An async body waits in its own slot.
  if (owner instanceof Waiter) owner = owner.owner as RawGreenlet;
  if (owner instanceof Greenlet) return owner;
  throw new GuestError(
    'GEVENT_GUEST_HANDLE',
    `${instance.name}: expected the id of a greenlet, and ${id} is of something else`,
  );
}

const GREENLETS: readonly [string, Builtin][] = [
  [
    'now',
    direct(
      '>d',
      ({ hub }) =>
        () =>
          hub.clock.now() / 1000,
    ),
  ],
  [
    'id',
    direct('i>d', ({ hub, name }) => (slot: number) => {
      if (slot >= 0 && slot < hub.owners.length) return hub.core.handle(slot);
      throw new GuestError('GEVENT_GUEST_HANDLE', `${name}: expected a slot that gevent.spawn gave, got ${slot}`);
    }),
  ],
  [
    'getcurrent',
    plain(
      '>d',
      ({ hub }) =>
        () =>
          hub.cur === NIL ? -1 : hub.core.handle(hub.cur),
    ),
  ],
  ['stacks', direct('ii>i', (instance) => (at: number, room: number) => instance.shadows?.write(at, room) ?? 0)],
  // Says all by being imported.
  ['stackless', direct('>', () => () => {})],
  ['alive', plain('d>i', (instance) => (id: number) => (greenletOf(instance, id) === null ? 0 : 1))],
  [
    'join',
    blocks('dd>i', (instance) => (id: number, timeout: number) => {
      const limit = limitOf(timeout, 'join');
      const g = greenletOf(instance, id);
      if (g === null) return 0;
      return new Answer(
        () => g.join({ timeout: limit }),
        () => (g.dead ? 0 : LATE),
        rethrow,
      );
    }),
  ],
  [
    'kill',
    plain('d>i', (instance) => (id: number) => {
      const g = greenletOf(instance, id);
      if (g === null) return 0;
      g.kill({ block: false });
      return 1;
    }),
  ],
  [
    'log',
    plain('ii>', (instance) => (at: number, length: number) => {
      const me = getcurrent();
      instance.program.log(textAt(instance, at, length), me instanceof Greenlet ? me : null);
    }),
  ],
  [
    'close',
    blocks('i>i', (instance) => (handle: number) => {
      const object = instance.$dropHandle(handle) as { close?(): unknown } | null;
      if (object === null) return -Errno.EBADF;
      if (typeof object.close !== 'function') return 0;
      try {
        object.close();
        return 0;
      } catch (error) {
        return errnoOf(error);
      }
    }),
  ],
];

/** By name. */
export const ABI: ReadonlyMap<string, Builtin> = new Map([...GREENLETS, ...SYNC, ...SOCKETS, ...FILES]);

/** What a guest gets that imports this, and is given nothing by its user. */
export function builtinOf(module: string, name: string): Builtin | undefined {
  return module === 'gevent' ? ABI.get(name) : module === 'env' ? ENV.get(name) : undefined;
}
