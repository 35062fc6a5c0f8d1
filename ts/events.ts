// Entry `gevent-wasm/events`: what the library tells those who want to know, and the platform's diagnostics channels.

import { GreenletExit } from './exceptions.ts';
import { Greenlet } from './gevent-greenlet.ts';
import type { Hub } from './hub/hub.ts';
import type { RawGreenlet } from './hub/raw.ts';

/** What the platform tells of its memory, in bytes. */
export interface MemoryUsage {
  readonly rss: number;
  readonly heapTotal: number;
  readonly heapUsed: number;
  readonly external: number;
}

/** What subscribers get. */
export type GeventEvent = object;

/**
 * Called with each event, in order. An exception of one keeps it from those behind it, and goes to who caused the event.
 * @see `gevent.events.subscribers`, the source.
 */
export const subscribers: ((event: any) => void)[] = [];

/** @internal Tell all subscribers, then the channel, if anybody listens there. */
export function notify(event: GeventEvent, channel: string | null = null): void {
  for (const subscriber of [...subscribers]) subscriber(event);
  if (channel !== null) publish(channel, event);
}

/** A monitor was started. */
export class PeriodicMonitorThreadStartedEvent {
  readonly monitor: object;

  constructor(monitor: object) {
    this.monitor = monitor;
  }
}

/**
 * Nothing was switched for too long. Sent on the blocked thread as soon as it is free again.
 * @see `gevent.events.EventLoopBlocked`, the source, which is sent from the monitor's thread while the block lasts.
 */
export class EventLoopBlocked {
  /** Who ran, or null if that could not be found out; main for code outside of greenlets. */
  readonly greenlet: RawGreenlet | null;
  /** Seconds: the limit that was exceeded. */
  readonly blockingTime: number;
  /** Lines of the report; printed afterwards, so they may be added to. */
  readonly info: string[];
  declare readonly hub: Hub;

  constructor(greenlet: RawGreenlet | null, blockingTime: number, info: string[], hub: Hub) {
    this.greenlet = greenlet;
    this.blockingTime = blockingTime;
    this.info = info;
    // Not enumerable: printing the event must not print the whole hub.
    Object.defineProperty(this, 'hub', { value: hub });
  }
}

abstract class MemoryUsageEvent {
  /** Bytes resident. */
  readonly memUsage: number;
  /** Bytes allowed: `config.maxMemoryUsage`. */
  readonly maxAllowed: number;
  /** What `process.memoryUsage()` gave. */
  readonly memoryInfo: MemoryUsage;

  constructor(memUsage: number, maxAllowed: number, memoryInfo: MemoryUsage) {
    this.memUsage = memUsage;
    this.maxAllowed = maxAllowed;
    this.memoryInfo = memoryInfo;
  }
}

/** More memory is in use than allowed, and more than at the last look. */
export class MemoryUsageThresholdExceeded extends MemoryUsageEvent {}

/** Less is in use again than allowed. */
export class MemoryUsageUnderThreshold extends MemoryUsageEvent {
  /** Bytes at the worst. */
  readonly maxMemoryUsage: number;

  constructor(memUsage: number, maxAllowed: number, memoryInfo: MemoryUsage, maxMemoryUsage: number) {
    super(memUsage, maxAllowed, memoryInfo);
    this.maxMemoryUsage = maxMemoryUsage;
  }
}

// ---- patching --------------------------------------------------------------------------------------------------------

/** A subscriber raises it at an event that is to come: nothing of that is patched. */
export class DoNotPatch extends Error {
  static override readonly name: string = 'DoNotPatch';
  override name = 'DoNotPatch';
  readonly code = 'GEVENT_DO_NOT_PATCH';
}

/** What all events of patching share. */
export class GeventPatchEvent {
  /** Where the new items come from. */
  readonly source: object;
  /** What gets them. */
  readonly target: object;

  constructor(source: object, target: object) {
    this.source = source;
    this.target = target;
  }
}

/** Something is about to be patched; `DoNotPatch` keeps it from that. */
export class GeventWillPatchEvent extends GeventPatchEvent {}

/** Something has been patched. */
export class GeventDidPatchEvent extends GeventPatchEvent {}

/** `patchAll` is about to begin. */
export class GeventWillPatchAllEvent extends GeventWillPatchEvent {
  /** The patches that will be made, by the names of `patchAll`'s options. */
  readonly patchAllArguments: Readonly<Record<string, unknown>>;
  /** What else was handed to `patchAll`, for subscribers. */
  readonly patchAllKwargs: Readonly<Record<string, unknown>>;

  constructor(args: Readonly<Record<string, unknown>>, kwargs: Readonly<Record<string, unknown>>, source: object) {
    super(source, source);
    this.patchAllArguments = args;
    this.patchAllKwargs = kwargs;
  }

  /** True if the patch of that name will be made. */
  willPatchModule(name: string): boolean {
    return Boolean(this.patchAllArguments[name]);
  }
}

/** A module is about to be patched. */
export class GeventWillPatchModuleEvent extends GeventWillPatchEvent {
  readonly moduleName: string;
  /** What of it will be replaced: take out what is to stay. */
  readonly targetItemNames: PropertyKey[];

  constructor(moduleName: string, source: object, target: object, items: PropertyKey[]) {
    super(source, target);
    this.moduleName = moduleName;
    this.targetItemNames = items;
  }
}

/** A module has been patched. */
export class GeventDidPatchModuleEvent extends GeventDidPatchEvent {
  readonly moduleName: string;

  constructor(moduleName: string, source: object, target: object) {
    super(source, target);
    this.moduleName = moduleName;
  }
}

abstract class PatchedAllEvent extends GeventDidPatchEvent {
  /** The patches that were asked for. */
  readonly patchAllArguments: Readonly<Record<string, unknown>>;
  /** What else was handed to `patchAll`. */
  readonly patchAllKwargs: Readonly<Record<string, unknown>>;

  constructor(args: Readonly<Record<string, unknown>>, kwargs: Readonly<Record<string, unknown>>, source: object) {
    super(source, source);
    this.patchAllArguments = args;
    this.patchAllKwargs = kwargs;
  }
}

/** `patchAll` has patched the platform's modules; plugins may patch theirs now. */
export class GeventDidPatchBuiltinModulesEvent extends PatchedAllEvent {}

/** `patchAll` is through. */
export class GeventDidPatchAllEvent extends PatchedAllEvent {}

// ---- diagnostics channels -------------------------------------------------------------------------------------------

interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

function channel(name: string): Channel | null {
  if (typeof process === 'undefined' || typeof process.getBuiltinModule !== 'function') return null;
  return process.getBuiltinModule('node:diagnostics_channel')?.channel(`gevent:${name}`) ?? null;
}

function publish(name: string, message: unknown): void {
  const found = channel(name);
  if (found?.hasSubscribers) found.publish(message);
}

let users = 0;
let spawned: ((greenlet: Greenlet) => void) | null = null;

/**
 * From now on publish on the channels of `node:diagnostics_channel`, each if it has subscribers: `gevent:spawn` when a greenlet is
 * queued, `gevent:exit` when it has ended, `gevent:kill` when it has ended by a kill; the message is `{ greenlet }`. (`gevent:block` and
 * `gevent:memory` are the monitor's, and need no call.) Gives what ends it. A spawn costs a look at the channels while it is on.
 */
export function publishDiagnostics(): () => void {
  const [spawns, exits, kills] = ['spawn', 'exit', 'kill'].map(channel);
  if (spawns === null || exits === null || kills === null) return () => {};
  if (++users === 1) {
    const ended = (greenlet: Greenlet) => {
      const message = { greenlet };
      if (greenlet.value instanceof GreenletExit && kills.hasSubscribers) kills.publish(message);
      if (exits.hasSubscribers) exits.publish(message);
    };
    spawned = (greenlet) => {
      if (exits.hasSubscribers || kills.hasSubscribers) greenlet.rawlink(ended);
      if (spawns.hasSubscribers) spawns.publish({ greenlet });
    };
    Greenlet.addSpawnCallback(spawned);
  }
  let on = true;
  return () => {
    if (!on) return;
    on = false;
    if (--users > 0 || spawned === null) return;
    Greenlet.removeSpawnCallback(spawned);
    spawned = null;
  };
}
