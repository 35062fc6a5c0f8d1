// What guests import from `gevent`, by the SDK of AssemblyScript: its three runtimes, every backend. Items, permits and waits go
// between guests and JavaScript through the same objects.

import { describe, expect, test } from 'vitest';
import { Event } from '../../ts/event.ts';
import type { GuestGreenlet, LoadOptions, Program } from '../../ts/guest/guest.ts';
import { type Greenlet, GreenletExit, sleep, spawn } from '../../ts/index.ts';
import { RLock, Semaphore } from '../../ts/lock.ts';
import { Channel, END, Queue } from '../../ts/queue.ts';
import { told } from '../support/cores.ts';
import { assembly, BACKENDS, BUNDLED, LIFTED } from '../support/guests.ts';
import { loaded } from '../support/loaded.ts';
import { leftIn, type World, world } from '../support/worlds.ts';

const RUNTIMES = ['stub', 'minimal', 'incremental'] as const;
type Runtime = (typeof RUNTIMES)[number];

const SOURCE = `
  import { Channel, Event, Greenlet, getcurrent, log, now, Queue, Semaphore, sleep, spawn, start, yield_ } from 'gevent-wasm/assembly';

  class Box { constructor(public value: i32) {} }

  export function produce(handle: i32, from: i32, to: i32): void {
    const channel = new Channel<i32>(handle);
    for (let i = from; i < to; ++i) channel.put(i);
  }
  export function consume(handle: i32): f64 {
    const channel = new Channel<f64>(handle);
    let sum: f64 = 0;
    while (channel.next()) { log('got ' + channel.value.toString()); sum += channel.value; }
    return channel.ended ? sum : -1;
  }
  export function finish(handle: i32): void { new Channel<i32>(handle).end(); }
  export function late(handle: i32): i32 {
    const channel = new Channel<i32>(handle);
    const put = channel.put(1, 0.5);
    const next = channel.next(0.25);
    return (i32(put) << 2) | (i32(next) << 1) | i32(channel.ended);
  }
  export function types(handle: i32): f64 {
    const flags = new Channel<bool>(handle);
    const bytes = new Channel<u8>(handle);
    const big = new Channel<u32>(handle);
    flags.put(true); bytes.put(200); big.put(4000000000);
    return f64(flags.get()) + f64(bytes.get()) + f64(big.get());
  }
  export function echo(handle: i32): void {
    const queue = Queue.of(handle);
    while (queue.next()) {
      log(queue.text + ' of ' + queue.bytes.byteLength.toString());
      if (!queue.putText('<' + queue.text + '>')) break;
      sleep(1);
    }
    log(queue.ended ? 'ended' : 'late');
  }
  export function lateQueue(handle: i32): i32 {
    const queue = Queue.of(handle);
    const next = queue.next(0.5);
    const one = queue.putText('one', 0.5);
    const two = queue.putText('two', 0.5);
    return (i32(next) << 2) | (i32(one) << 1) | i32(two) | (queue.length << 4);
  }
  export function own(): i32 {
    const queue = new Queue(0);
    queue.putText('first'); queue.put(new ArrayBuffer(0)); queue.shutdown();
    let count = 0;
    while (queue.next()) count = count * 10 + queue.bytes.byteLength;
    return queue.ended ? count : -1;
  }
  export function guarded(handle: i32, id: i32): void {
    const lock = Semaphore.of(handle);
    if (!lock.acquire(1.5)) { log('late ' + id.toString()); return; }
    log('in ' + id.toString());
    sleep(1);
    log('out ' + id.toString());
    lock.release();
  }
  export function tries(handle: i32): i32 {
    const lock = Semaphore.of(handle);
    const first = lock.acquireNowait();
    const second = lock.acquireNowait();
    lock.release();
    return (i32(first) << 1) | i32(second);
  }
  export function await_(handle: i32): i32 {
    const event = new Event(handle);
    const before = event.wait(0.5);
    const after = event.wait();
    return (i32(before) << 2) | (i32(after) << 1) | i32(event.isSet);
  }
  export function signal(handle: i32): void { const event = new Event(handle); event.set(); event.clear(); }
  export function private_(): i32 {
    const lock = new Semaphore(2);
    lock.acquire(); lock.acquire();
    const none = lock.acquireNowait();
    lock.release(2);
    const event = new Event();
    event.set();
    return (i32(none) << 1) | i32(event.wait());
  }

  export function family(): f64 {
    const began = now();
    const box = spawn<Box>((it: Box) => { sleep(0.25); log('box ' + it.value.toString()); }, new Box(7));
    const number = spawn<i32>((it: i32) => { sleep(0.5); log('number ' + it.toString()); }, 8);
    const float = spawn<f64>((it: f64) => { yield_(); log('float ' + it.toString()); }, 0.5);
    const text = spawn<string>((it: string) => { log('text ' + it); }, 'hello');
    const plain = start(() => { log('plain'); });
    const gone = spawn<i32>((it: i32) => { sleep(Infinity); }, 0);
    if (box.join(0.125)) return -1;
    if (!gone.kill() || gone.dead) return -2;
    if (!gone.join() || !gone.dead || gone.kill()) return -3;
    const all: Greenlet[] = [box, number, float, text, plain];
    for (let i = 0; i < all.length; ++i) all[i].join();
    return now() - began;
  }
  export function me(): f64 { return (getcurrent() as Greenlet).id; }
  export function nobody(): i32 { return getcurrent() == null ? 1 : 0; }
  export function joins(id: f64): i32 { const it = new Greenlet(id); return (i32(it.dead) << 2) | (i32(it.join(0.5)) << 1) | i32(it.join()); }
  export function kills(id: f64): i32 { const it = new Greenlet(id); return i32(it.kill()); }
  export function suicide(): i32 { (getcurrent() as Greenlet).kill(); log('still here'); sleep(1); return 1; }

  function words(id: i32, round: i32): string[] {
    const made: string[] = [];
    for (let i = 0; i < 8; ++i) made.push(id.toString() + ':' + round.toString() + ':' + i.toString());
    return made;
  }
  function deep(id: i32, rounds: i32, depth: i32): i32 {
    const mine = words(id, depth);
    if (depth > 0) return deep(id, rounds, depth - 1) + i32(mine[3] == id.toString() + ':' + depth.toString() + ':3');
    let good = 0;
    for (let round = 0; round < rounds; ++round) {
      const now = words(id, round);
      sleep(0.001 * <f64>((id * 7 + round * 3) % 5));
      // Garbage, so that the collector has something to do.
      for (let i = 0; i < 20; ++i) new Box(i).value.toString();
      for (let i = 0; i < 8; ++i) good += i32(now[i] == id.toString() + ':' + round.toString() + ':' + i.toString());
    }
    return good + i32(mine[3] == id.toString() + ':0:3');
  }
  export function memory_(id: i32, rounds: i32): i32 { return deep(id, rounds, 5); }
  export function collect(): void { __collect(); }
  export function held(id: i32): i32 { const mine = words(id, 0); sleep(1); return i32(mine[7] == id.toString() + ':0:7'); }
  export function dies(id: i32): void { const mine = words(id, 0); sleep(1); if (mine.length > 0) unreachable(); }
`;

const made = new Map<Runtime, Promise<Uint8Array<ArrayBuffer>>>();
/** The guest above. Its collector is made to run all the time. */
function guest(runtime: Runtime): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = made.get(runtime);
  if (bytes === undefined) {
    const busy = ['-u', 'ASC_GC_GRANULARITY=64', '-u', 'ASC_GC_IDLEFACTOR=101'];
    bytes = assembly(
      SOURCE,
      '--runtime',
      runtime,
      '--exportTable',
      '--exportRuntime',
      '--use',
      'abort=',
      ...(runtime === 'incremental' ? busy : []),
    );
    made.set(runtime, bytes);
  }
  return bytes;
}

const CELLS = [...BACKENDS, ...BUNDLED, ...LIFTED].flatMap((backend) =>
  RUNTIMES.map((runtime) => [backend, runtime] as const),
);

describe.each(CELLS)('%s, %s:', (backend, runtime) => {
  interface Guests {
    readonly w: World;
    readonly p: Program;
    run(seconds?: number): Promise<void>;
  }

  async function guests(options: LoadOptions = {}): Promise<Guests> {
    const w = world('wasm');
    const p = await loaded(await guest(runtime), backend, { log: (line) => w.trace(line), ...options });
    return { w, p, run: (seconds = 0) => w.clock.advanceAsync(seconds) };
  }

  async function nothingLeft({ w, p, run }: Guests): Promise<void> {
    await run();
    expect(leftIn(w.hub)).toEqual({});
    expect(p.instance.alive).toBe(0);
  }

  test('items go from guests to JavaScript and back through one channel, in its order', async () => {
    const g = await guests();
    const channel = new Channel<number>();
    g.p.spawn('produce', channel, 0, 2);
    const consumer = g.p.spawn<number>('consume', channel);
    spawn(function* () {
      yield* channel.put(0.5);
      yield* channel.put(100);
    });
    await g.run();
    expect(g.w.seen()).toEqual(['got 0.0', 'got 0.5', 'got 1.0', 'got 100.0']);
    spawn(function* () {
      const item = yield* channel.get();
      g.w.trace(`js got ${item}`);
    });
    g.p.spawn('produce', channel, 7, 9);
    await g.run();
    // Who waited first has the first.
    expect(g.w.seen()).toEqual(['got 7.0', 'js got 8']);
    g.p.spawn('finish', channel);
    await g.run();
    expect(consumer.value).toBe(108.5);
    await nothingLeft(g);
  });

  test('a channel is a queue’s too: END and shutdown end who gets', async () => {
    const g = await guests();
    const queue = new Queue<any>();
    const consumers = [g.p.spawn<number>('consume', queue), g.p.spawn<number>('consume', queue)];
    for (const item of [1, 2, true, END]) queue.putNowait(item);
    await g.run();
    expect(g.w.seen()).toEqual(['got 1.0', 'got 2.0', 'got 1.0']);
    queue.shutdown();
    await g.run();
    expect(consumers.map((it) => it.value)).toEqual([4, 0]);
    const last = new Queue<number>();
    const consumer = g.p.spawn<number>('consume', last);
    await g.run();
    // It waits; both come before the end.
    for (const item of [5, 6]) last.putNowait(item);
    last.shutdown();
    await g.run();
    expect(consumer.value).toBe(11);
    await nothingLeft(g);
  });

  test('nobody puts or gets in time', async () => {
    const g = await guests();
    const it = g.p.spawn<number>('late', new Channel());
    await g.run(0.5);
    expect(it.dead).toBe(false);
    await g.run(0.25);
    expect(it.value).toBe(0);
    await nothingLeft(g);
  });

  test('items have the type that the guest wants', async () => {
    const g = await guests();
    const it = g.p.spawn<number>('types', new Queue());
    await g.run();
    expect(it.value).toBe(1 + 200 + 4e9);
    await nothingLeft(g);
  });

  test('an item that is no number is an error of who gets it', async () => {
    const g = await guests();
    const queue = new Queue<unknown>(null, ['text']);
    const it = g.p.spawn('consume', queue);
    await g.run();
    expect(told(it.exception)).toMatch(/TypeError: channel_get: expected a number from <Queue/);
    expect(g.w.reported()).toHaveLength(1);
    await nothingLeft(g);
  });

  test('bytes and text go through a queue', async () => {
    const g = await guests();
    const queue = new Queue<any>();
    const it = g.p.spawn('echo', queue);
    const long = 'ü'.repeat(3000);
    queue.putNowait('héllo');
    await g.run();
    expect(queue.queue.length).toBe(1);
    expect(new TextDecoder().decode(queue.getNowait())).toBe('<héllo>');
    queue.putNowait(new TextEncoder().encode(long));
    await g.run(1);
    expect(new TextDecoder().decode(queue.getNowait())).toBe(`<${long}>`);
    queue.shutdown();
    await g.run(1);
    expect(it.successful()).toBe(true);
    expect(g.w.seen()).toEqual(['héllo of 6', `${long} of 6000`, 'ended']);
    const own = g.p.spawn('own');
    await g.run();
    expect(own.value).toBe(50);
    await nothingLeft(g);
  });

  test('a queue without items, or without room, in time', async () => {
    const g = await guests();
    const it = g.p.spawn<number>('lateQueue', new Queue(1));
    await g.run(1);
    expect(it.value).toBe(0b010 | (1 << 4));
    await nothingLeft(g);
  });

  test('guests and JavaScript wait for one semaphore in the order they came', async () => {
    const g = await guests();
    const semaphore = new Semaphore(1);
    g.p.spawn('guarded', semaphore, 1);
    spawn(function* () {
      yield* semaphore.acquire();
      g.w.trace('js in');
      yield* sleep(0.25);
      g.w.trace('js out');
      semaphore.release();
    });
    g.p.spawn('guarded', semaphore, 2);
    g.p.spawn('guarded', semaphore, 3);
    await g.run(3);
    expect(g.w.seen()).toEqual(['in 1', 'out 1', 'js in', 'js out', 'in 2', 'late 3', 'out 2']);
    expect(semaphore.counter).toBe(1);
    const tries = g.p.spawn('tries', semaphore);
    const alone = g.p.spawn('private_');
    await g.run();
    expect([tries.value, alone.value]).toEqual([2, 1]);
    await nothingLeft(g);
  });

  test('a lock belongs to the guest’s greenlet that took it', async () => {
    const g = await guests();
    const lock = new RLock();
    const tries = g.p.spawn('tries', lock);
    await g.run();
    expect(tries.value).toBe(3);
    // It was taken twice and given back once, by somebody who is no more.
    expect(lock.locked()).toBe(true);
    g.p.spawn('guarded', lock, 5);
    await g.run(2);
    expect(g.w.seen()).toEqual(['late 5']);
    await nothingLeft(g);
  });

  test('events wake guests', async () => {
    const g = await guests();
    const event = new Event();
    const it = g.p.spawn<number>('await_', event);
    await g.run(1);
    event.set();
    await g.run();
    expect(it.value).toBe(0b011);
    event.clear();
    let woken = false;
    spawn(function* () {
      yield* event.wait();
      woken = true;
    });
    await g.run();
    g.p.spawn('signal', event);
    await g.run();
    expect([woken, event.isSet()]).toEqual([true, false]);
    await nothingLeft(g);
  });

  test('a guest spawns greenlets with arguments of any type, joins and kills them', async () => {
    const g = await guests();
    const family = g.p.spawn<number>('family');
    await g.run(1);
    expect(g.w.seen()).toEqual(['text hello', 'plain', 'float 0.5', 'box 7', 'number 8']);
    expect(family.value).toBe(0.5);
    await nothingLeft(g);
    g.p.instance.close();
  });

  test('an id names any greenlet, for good', async () => {
    const g = await guests();
    const js = spawn(function* () {
      yield* sleep(0.75);
    });
    const { core } = g.w.hub;
    const id = core.handle(js.$slot);
    const joins = g.p.spawn<number>('joins', id);
    const me = g.p.spawn<number>('me');
    await g.run(1);
    expect(joins.value).toBe(0b001);
    expect(core.resolve(me.value as number)).toBe(-1);
    const again = g.p.spawn<number>('joins', id);
    const sleeper: Greenlet = spawn(function* () {
      yield* sleep(10);
    });
    await g.run();
    const kill = g.p.spawn<number>('kills', core.handle(sleeper.$slot));
    await g.run();
    expect([again.value, kill.value, sleeper.value]).toEqual([0b111, 1, expect.any(GreenletExit)]);
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 60]) {
      const it = g.p.spawn('joins', bad);
      await g.run();
      expect(told(it.exception)).toMatch(/GEVENT_GUEST_HANDLE/);
    }
    g.w.reported();
    expect(g.p.instance.exports.nobody()).toBe(1);
    await nothingLeft(g);
  });

  test('who kills itself goes on to its next wait', async () => {
    const g = await guests();
    const it = g.p.spawn('suicide');
    await g.run(2);
    expect(g.w.seen()).toEqual(['still here']);
    expect(it.value).toBeInstanceOf(GreenletExit);
    await nothingLeft(g);
  });

  test('kill takes back every wait', async () => {
    const g = await guests();
    const channel = new Channel<number>();
    const semaphore = new Semaphore(0);
    const event = new Event();
    const queue = new Queue();
    const all = [
      g.p.spawn('produce', channel, 1, 9),
      g.p.spawn('guarded', semaphore, 1),
      g.p.spawn('await_', event),
      g.p.spawn('echo', queue),
    ];
    await g.run();
    for (const it of all) it.kill({ block: false });
    await g.run();
    expect(all.map((it) => it.value instanceof GreenletExit)).toEqual([true, true, true, true]);
    semaphore.release();
    queue.putNowait('kept');
    await g.run();
    expect([semaphore.counter, queue.qsize(), channel.balance]).toEqual([1, 1, 0]);
    await nothingLeft(g);
  });

  test('handles are of one instance, of one kind, and of what it was given', async () => {
    const g = await guests();
    const channel = new Channel();
    const number = g.p.handle(channel);
    expect(g.p.handle(channel)).toBe(number);
    const other = g.p.instantiate();
    const it = [
      other.spawn('finish', number),
      g.p.spawn('signal', channel),
      g.p.spawn('finish', 0),
      g.p.spawn('finish', -5),
    ];
    await g.run();
    expect(it.map((each) => told(each.exception))).toEqual([
      `GuestError [GEVENT_GUEST_HANDLE]: guest: expected the handle of a channel or a queue, and ${number} names nothing`,
      `GuestError [GEVENT_GUEST_HANDLE]: guest: expected the handle of an event, and ${number} is an object (Channel)`,
      // 0 makes a new channel, of which nobody gets.
      'no error: undefined',
      expect.stringContaining('-5 names nothing'),
    ]);
    g.w.reported();
    it[2].kill({ block: false });
    expect(() => g.p.handle(5 as unknown as object)).toThrow(TypeError);
    await nothingLeft(g);
  });

  if (runtime !== 'incremental') return;

  test('the collector keeps what greenlets hold that wait, each on a stack of its own', async () => {
    const g = await guests();
    const all = Array.from({ length: 20 }, (_, id) => g.p.spawn<number>('memory_', id, 20));
    await g.run(1);
    expect(all.map((it) => it.value)).toEqual(all.map(() => 20 * 8 + 6));
    await nothingLeft(g);
  });

  test('on the stack of one who was killed are no references any more', async () => {
    const g = await guests();
    const all = Array.from({ length: 2 }, () => g.p.spawn<number>('held', 0)) as GuestGreenlet<number>[];
    await g.run();
    // The first has the stack that the module was linked with.
    const { $stack: top } = all[1];
    const used = () => new Uint8Array(g.p.instance.memory.buffer, top - g.p.stackSize, g.p.stackSize).some(Boolean);
    expect(used()).toBe(true);
    all[1].kill({ block: false });
    await g.run();
    expect(used()).toBe(false);
    await g.run(2);
    await nothingLeft(g);
  });

  test('also when the host collects, and when some were killed or trapped', async () => {
    const g = await guests();
    const all = Array.from({ length: 12 }, (_, id) =>
      g.p.spawn<number>(id % 3 === 1 ? 'dies' : 'held', id),
    ) as GuestGreenlet<number>[];
    await g.run();
    g.p.instance.exports.collect();
    for (const [id, it] of all.entries()) if (id % 3 === 2) it.kill({ block: false });
    await g.run();
    g.p.instance.exports.collect();
    const more = Array.from({ length: 6 }, (_, id) => g.p.spawn<number>('memory_', id, 5));
    await g.run(2);
    g.p.instance.exports.collect();
    expect(all.filter((_, id) => id % 3 === 0).map((it) => it.value)).toEqual([1, 1, 1, 1]);
    expect(all.filter((_, id) => id % 3 === 1).map((it) => told(it.exception))).toEqual(
      Array(4).fill(expect.stringContaining('GEVENT_GUEST_TRAP')),
    );
    expect(more.map((it) => it.value)).toEqual(more.map(() => 5 * 8 + 6));
    g.w.reported();
    await nothingLeft(g);
  });
});
