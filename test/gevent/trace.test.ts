// traceSchedule: what viewers load must be whole, and tell what happened.

import { describe, expect, test } from 'vitest';
import { joinall, sleep, spawn, spawnRaw } from '../../ts/index.ts';
import { Semaphore } from '../../ts/lock.ts';
import { type ScheduleTrace, type TraceEvent, traceSchedule } from '../../ts/util.ts';
import { CORES, thrown } from '../support/cores.ts';
import { world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

/** What the trace event format asks for, and more: spans of one track do not overlap, arrows have both ends in this order. */
function check(trace: ScheduleTrace): void {
  const { traceEvents: events } = JSON.parse(JSON.stringify(trace)) as { traceEvents: TraceEvent[] };
  const arrows = new Map<number, TraceEvent>();
  const spans = new Map<number, TraceEvent[]>();
  const named = new Set(events.filter(({ ph }) => ph === 'M').map(({ tid }) => tid));
  for (const event of events) {
    expect(named.has(event.tid)).toBe(true);
    expect([typeof event.name, event.pid, Number.isFinite(event.ts), event.ts >= 0]).toEqual(['string', 1, true, true]);
    if (event.ph === 'X') {
      expect(event.dur).toBeGreaterThanOrEqual(0);
      spans.set(event.tid, [...(spans.get(event.tid) ?? []), event]);
    } else if (event.ph === 's') arrows.set(event.id as number, event);
    else if (event.ph === 'f') {
      const from = arrows.get(event.id as number) as TraceEvent;
      expect(from).toBeDefined();
      expect(from.ts).toBeLessThanOrEqual(event.ts);
      arrows.delete(event.id as number);
    }
  }
  for (const track of spans.values()) {
    let end = 0;
    for (const { ts, dur = 0 } of track.toSorted((a, b) => a.ts - b.ts || (a.dur ?? 0) - (b.dur ?? 0))) {
      expect(ts).toBeGreaterThanOrEqual(end);
      end = ts + dur;
    }
  }
}

describe.each(CORES)('on the %s core', (core) => {
  test('one track a greenlet: what it ran, what it waited in, who woke it', () => {
    const { hub, clock } = world(core, { debug: false });
    const compute = (seconds: number) => clock.moveTo(clock.now() + seconds * 1000);
    const trace = traceSchedule();
    const semaphore = new Semaphore(0);
    const waiter = spawn(function* waiter(): Body {
      yield* semaphore.acquire();
      compute(0.5);
    });
    spawn(function* releaser(): Body {
      compute(1);
      yield* sleep(2);
      semaphore.release();
      compute(1);
      yield* joinall([waiter]);
    });
    clock.advance(5);
    trace.stop();
    check(trace);
    const tracks = new Map(
      trace.events.flatMap(({ ph, tid, args }) =>
        ph === 'M' && tid > 0 ? [[tid, /: (\w+)/.exec(args?.name as string)?.[1]]] : [],
      ),
    );
    const told = trace.events
      .filter(({ ph }) => ph !== 'M')
      .map(({ ph, tid, name, ts, dur }) =>
        [tracks.get(tid), ph, name.replace(/<.*>/, '<>'), ts / 1e6, ...(dur === undefined ? [] : [dur / 1e6])].join(
          ' ',
        ),
      );
    expect(told).toEqual([
      'waiter X runs 0 0',
      'releaser X runs 0 1',
      'releaser X sleep 1 2',
      'releaser s wakes 4',
      'releaser X runs 3 1',
      expect.stringMatching(/^waiter X .* 0 4$/),
      'waiter f wakes 4',
      'waiter X runs 4 0.5',
      'releaser X joinall of 1 objects, 0 ready 4 0.5',
      'releaser X runs 4.5 0',
    ]);
    expect(hub.tracer).toBe(null);
  });

  test('kills, raw switches and greenlets that never end make a whole trace, too', () => {
    const { clock } = world(core, { debug: false });
    using trace = traceSchedule({ waits: true });
    const victim = spawn(function* (): Body {
      try {
        yield* sleep(100);
      } finally {
        yield* sleep(0);
      }
    });
    spawn(function* (): Body {
      yield* sleep(1);
      yield* victim.kill();
      yield* sleep(Infinity);
    });
    spawnRaw(function* (): Body {
      yield* sleep(0.5);
    });
    for (let i = 0; i < 50; ++i) spawn(sleep, (i * 7) % 5);
    clock.advance(10);
    trace.stop();
    check(trace);
    expect(trace.events.filter(({ name }) => name === 'thrown into')).toHaveLength(1);
    expect(trace.truncated).toBe(false);
  });

  test('spans of a track do not overlap by an ulp either, at whatever times', () => {
    const { clock } = world(core, { debug: false });
    clock.moveTo(180 / Math.PI);
    using trace = traceSchedule({ waits: true, limit: 100_000 });
    for (let i = 0; i < 5000; ++i) {
      spawn(function* (): Body {
        clock.moveTo(clock.now() + Math.sqrt(i) / 1e6);
        yield* sleep(0.04 + (Math.sqrt(i) % 1) / 100);
        clock.moveTo(clock.now() + Math.sqrt(i) / 1e6);
      });
    }
    clock.advance(1);
    trace.stop();
    check(trace);
    expect(trace.truncated).toBe(false);
  });

  test('a limit ends it and says so; without waits only slices are kept', () => {
    const { hub, clock } = world(core, { debug: false });
    const trace = traceSchedule({ limit: 10, waits: false });
    for (let i = 0; i < 9; ++i) spawn(sleep, i);
    clock.advance(10);
    expect([trace.events.length, trace.truncated, hub.tracer === null]).toEqual([10, true, true]);
    expect(trace.events.some(({ cat }) => cat === 'wait')).toBe(false);
    expect(thrown(() => traceSchedule({ limit: 0 }))).toBe(
      'RangeError: traceSchedule(limit): expected an integer from 1, got 0',
    );
  });
});
