// local: one object, values for each greenlet.

import { describe, expect, test } from 'vitest';
import { type Greenlet, getcurrent, sleep, spawn, spawnRaw } from '../../ts/index.ts';
import { allLocalDictsForGreenlet, local } from '../../ts/local.ts';
import { CORES } from '../support/cores.ts';
import { world } from '../support/worlds.ts';

describe.each(CORES)('local on the %s core', (core) => {
  test('has values for each greenlet and for main, across switches', () => {
    const { hub, clock, trace, log } = world(core);
    const data = new local();
    data.name = 'main';
    for (const name of ['a', 'b']) {
      hub.spawn(function* () {
        trace(data.name, 'name' in data, Object.keys(data).length);
        data.name = name;
        yield* sleep(1);
        trace(data.name, Object.keys(data));
        delete data.name;
        trace(data.name);
      });
    }
    clock.advance(2);
    expect(log).toEqual(['undefined false 0', 'undefined false 0', 'a name', undefined, 'b name', undefined]);
    expect([data.name, { ...data }]).toEqual(['main', { name: 'main' }]);
  });

  test('holds behind the awaits of an async body', async () => {
    const { hub, clock } = world(core);
    const data = new local();
    const seen: unknown[] = [];
    for (const name of ['a', 'b']) {
      hub.spawn(async () => {
        data.name = name;
        await sleep(1);
        await Promise.resolve();
        seen.push(data.name);
      });
    }
    await clock.advanceAsync(2);
    expect(seen).toEqual(['a', 'b']);
    expect(data.name).toBe(undefined);
  });

  test("a subclass's constructor and fields run once in each greenlet, before its first access", () => {
    const { hub, clock, trace, log } = world(core);
    let made = 0;
    class Mine extends local {
      list: number[] = [];
      readonly who: string;
      constructor(who: string) {
        super(who);
        ++made;
        this.who = `${who}${made}`;
      }
      greet(): string {
        return `I am ${this.who}`;
      }
      get shout(): string {
        return this.who.toUpperCase();
      }
      set shout(text: string) {
        this.list.push(text.length);
      }
    }
    const mine = new Mine('x');
    mine.list.push(1);
    expect([mine instanceof Mine, mine instanceof local, mine.greet(), made]).toEqual([true, true, 'I am x1', 1]);
    hub.spawn(function* () {
      trace(mine.greet(), mine.list.length, mine.shout);
      yield* sleep(0);
      mine.shout = 'abc';
      trace(mine.list, made);
    });
    clock.advance(1);
    expect(log).toEqual(['I am x2 0 X2', '3 2']);
    expect([mine.list, made]).toEqual([[1], 2]);
  });

  test('a constructor that throws in a greenlet is told there, and tried again', () => {
    const { hub, clock, trace, log } = world(core);
    let fail = false;
    class Mine extends local {
      constructor() {
        super();
        if (fail) throw new Error('constructor');
        this.ok = true;
      }
    }
    const mine = new Mine();
    fail = true;
    hub.spawn(() => {
      try {
        trace(mine.ok);
      } catch (error) {
        trace((error as Error).message);
      }
      fail = false;
      trace(mine.ok);
    });
    clock.advance(1);
    expect(log).toEqual(['constructor', true]);
  });

  test('is copied with the values of the current greenlet alone', () => {
    const { hub, clock, trace, log } = world(core);
    const data = new local();
    data.x = 1;
    const copy = local.copy(data);
    copy.x = 2;
    hub.spawn(() => trace(copy.x));
    clock.advance(1);
    expect([data.x, copy.x, log]).toEqual([1, 2, [undefined]]);
    expect(() => local.copy({} as any)).toThrow(TypeError);
  });

  test('drops what a greenlet set when it ends, and tells of it while it lives', () => {
    const { hub, clock } = world(core);
    const data = new local();
    const g: Greenlet = hub.spawn(function* () {
      data.x = 1;
      yield* sleep(1);
    });
    clock.advance(0);
    expect(allLocalDictsForGreenlet(g).map(([object, dict]) => [object === data, { ...dict }])).toEqual([
      [true, { x: 1 }],
    ]);
    clock.advance(1);
    expect([allLocalDictsForGreenlet(g), g.$more?.locals]).toEqual([[], null]);
  });

  test('keeps nothing of a greenlet that ended, though it was the last to use it', async () => {
    const { hub, clock } = world(core);
    const data = new local();
    const copy = local.copy(data);
    const refs: WeakRef<object>[] = [];
    const use = (each: local) => {
      const value = {};
      refs.push(new WeakRef(value));
      each.x = value;
      expect(each.x).toBe(value);
    };
    hub.spawn(() => use(data));
    spawnRaw(() => use(copy));
    clock.advance(1);
    // What a turn of the event loop has looked at stays until that turn is over.
    await new Promise((resolve) => setTimeout(resolve));
    (await collector())();
    expect(refs.map((each) => each.deref())).toEqual([undefined, undefined]);
    expect(data.x).toBe(undefined);
  });

  test('tells a value that is undefined from none, and its own from the class', () => {
    world(core);
    class Named extends local {
      get name(): string {
        return 'of the class';
      }
      set other(_: unknown) {}
    }
    const data = new Named();
    data.x = undefined;
    expect(['x' in data, data.x, data.name, 'name' in data, Object.keys(data)]).toEqual([
      true,
      undefined,
      'of the class',
      true,
      ['x'],
    ]);
    data.other = 1;
    Object.defineProperty(data, 'name', { value: undefined });
    expect([data.name, Object.keys(data), data.constructor, data.toString === Object.prototype.toString]).toEqual([
      undefined,
      ['x'],
      Named,
      true,
    ]);
    for (const key of ['__proto__', 'constructor', 'hasOwnProperty', '7']) {
      const plain = new local();
      plain[key] = 5;
      expect([plain[key], Object.keys(plain), plain instanceof local]).toEqual([5, [key], true]);
    }
  });

  test('thousands of dropped locals do not pile up in one greenlet', () => {
    const { hub, clock } = world(core);
    hub.spawn(() => {
      for (let i = 0; i < 10_000; ++i) new local().x = i;
      expect(getcurrent().$more?.locals).not.toBe(null);
    });
    clock.advance(1);
  });

  test('takes arguments only in a subclass', () => {
    world(core);
    expect(() => new (local as any)(1)).toThrow(/define a subclass/);
    expect(() => Object.setPrototypeOf(new local(), null)).toThrow(TypeError);
    spawn(() => 1).kill({ block: false });
  });
});

async function collector(): Promise<() => void> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
