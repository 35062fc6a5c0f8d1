// A greenlet whose body is an export of a guest.

import { Kind } from '../core/contract.ts';
import { Greenlet } from '../gevent-greenlet.ts';
import type { Hub } from '../hub/hub.ts';
import type { Operation } from '../hub/operation.ts';
import { State } from '../hub/protocol.ts';
import type { Entry, Instance } from './instance.ts';
import type { Settle } from './jspi.ts';

/** Made by `program.spawn` and `instance.spawn`: everything that is true of a Greenlet is true of it. */
export class GuestGreenlet<T = any> extends Greenlet<T> {
  /** The guest it runs in. */
  readonly instance: Instance;
  /** @internal null: a function that a guest spawned. */ readonly $entry: Entry | null;
  /** @internal What its import waits in. */ $op: Operation<unknown> | null = null;
  /** @internal What its import gives. */ $value: unknown = undefined;
  /** @internal To be raised where it waits. */ $error: { error: unknown } | null = null;
  /** @internal It counts as one of its instance's. */ $inside = false;
  /** @internal Top of its shadow stack; 0: it has none. */ $stack = 0;
  /** @internal For JSPI: its stack pointer while it is away. */ $sp = 0;
  /** @internal For JSPI: lets it go on. */ $settle: Settle | null = null;

  constructor(instance: Instance, entry: Entry | null, args: unknown[]) {
    super(null, ...args);
    this.instance = instance;
    this.$entry = entry;
  }

  /** @internal */
  override get $kind(): Kind {
    return Kind.GUEST;
  }

  /** @internal Its turn has come. */
  override $fire(hub: Hub, slot: number): number {
    if (this.$state === State.DEAD) return super.$fire(hub, slot);
    if (this.$state !== State.QUEUED) return this.instance.engine.resume(this, slot);
    this.$state = State.LIVE;
    return this.instance.engine.begin(this, slot);
  }

  /** @internal */
  override $raise(error: unknown): boolean {
    // What it had deferred runs in its place: a generator.
    if (this.$top !== null) return false;
    this.$abort(error);
    this.instance.engine.raise(this, error);
    return true;
  }

  /** @internal Guest code is through, or was dropped. */
  $concluded(ok: boolean, outcome: unknown): void {
    this.instance.$left(this, ok);
    const cleanup = this.$more === null ? null : this.$cleanup(ok, outcome);
    if (cleanup !== null) {
      this.$top = cleanup;
      this.$hub.core.ready(this.$slot);
    } else if (ok) this.$finished(outcome);
    else this.$failed(outcome);
  }

  /** @internal */
  override get $label(): string {
    const args = this.$args.map(String).join(', ');
    return `${this.constructor.name} ${JSON.stringify(this.name)}: ${this.$what}(${args.slice(0, 50)})`;
  }

  /** @internal */
  get $what(): string {
    return `${this.instance.name}.${this.$entry?.name ?? 'spawned'}`;
  }
}
