// ContextVar, Context, Token, copyContext.

import { describe, expect, test } from 'vitest';
import { sleep } from '../../ts/index.ts';
import { allLocalDictsForGreenlet, type Context, ContextVar, copyContext, Token } from '../../ts/local.ts';
import { Pool } from '../../ts/pool.ts';
import { CORES, thrown } from '../support/cores.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

describe.each(CORES)('on the %s core', (core) => {
  test('each greenlet begins with an empty context, and keeps what it sets across switches', () => {
    const { hub, clock, trace, seen } = world(core);
    const user = new ContextVar<string>('user', { default: 'nobody' });
    user.set('main');
    function* body(name: string): Body {
      trace(name, 'sees', user.get());
      user.set(name);
      yield* sleep(1);
      trace(name, 'sees', user.get());
      hub.spawn(function* inner() {
        trace('child of', name, 'sees', user.get());
      });
    }
    hub.spawn(body, 'a');
    hub.spawn(body, 'b');
    clock.advance(1);
    expect(seen()).toEqual([
      'a sees nobody',
      'b sees nobody',
      'a sees a',
      'b sees b',
      'child of a sees nobody',
      'child of b sees nobody',
    ]);
    expect([user.get(), leftIn(hub)]).toEqual(['main', {}]);
  });

  test('an async body keeps its own across awaits', async () => {
    const { hub, clock } = world(core);
    const user = new ContextVar<string>('user');
    const body = async (name: string) => {
      user.set(name);
      await sleep(1);
      await Promise.resolve();
      return user.get();
    };
    const [a, b] = [hub.spawn(body, 'a'), hub.spawn(body, 'b')];
    await clock.advanceAsync(1);
    expect([a.value, b.value]).toEqual(['a', 'b']);
  });

  test('get: the value, else the argument, else the default, else an error', () => {
    world(core);
    const [bare, given] = [new ContextVar('bare'), new ContextVar<number | undefined>('given', { default: undefined })];
    expect([bare.get(1), given.get(), given.get(2)]).toEqual([1, undefined, 2]);
    expect(thrown(() => bare.get())).toBe(
      'GeventError [GEVENT_CONTEXT_LOOKUP]: <ContextVar bare> has no value here, and no default',
    );
    bare.set(undefined);
    expect(bare.get(1)).toBe(undefined);
    expect(thrown(() => new ContextVar(1 as any))).toBe('TypeError: ContextVar(name): expected a string, got number');
  });

  test('reset gives the value before back, or none; a token serves once, its variable, in its context', () => {
    world(core);
    const [x, y] = [new ContextVar<number>('x'), new ContextVar<number>('y')];
    const first = x.set(1);
    const second = x.set(2);
    expect([first.oldValue, second.oldValue, second.var === x]).toEqual([Token.MISSING, 1, true]);
    const text = (why: string) => `GeventError [GEVENT_CONTEXT_TOKEN]: this Token of <ContextVar x> ${why}`;
    expect(thrown(() => y.reset(second))).toBe(text('was created by a different ContextVar'));
    expect(thrown(() => copyContext().run(() => x.reset(second)))).toBe(text('was created in a different Context'));
    x.reset(second);
    expect(x.get()).toBe(1);
    expect(thrown(() => x.reset(second))).toBe(text('has already been used once'));
    x.reset(first);
    expect(x.get(0)).toBe(0);
    expect(thrown(() => x.reset({} as any))).toBe('TypeError: reset(token): expected a Token');
  });

  test('a copy is apart from its original, and shows what was set, without defaults', () => {
    world(core);
    const [x, y] = [new ContextVar<number>('x'), new ContextVar<number>('y', { default: 5 })];
    x.set(1);
    const copy = copyContext();
    x.set(2);
    expect([copy.get(x), copy.has(y), copy.get(y), copy.get(y, 7), copy.size]).toEqual([1, false, undefined, 7, 1]);
    expect([[...copy], [...copy.keys()], [...copy.values()], [...copy.copy().entries()]]).toEqual([
      [[x, 1]],
      [x],
      [1],
      [[x, 1]],
    ]);
  });

  test('run: what is set inside stays in that context; it cannot be entered twice', () => {
    world(core);
    const x = new ContextVar<number>('x');
    x.set(1);
    const context = copyContext();
    const add = (by: number) => {
      x.set(x.get() + by);
      return x.get();
    };
    expect(context.run(add, 10)).toBe(11);
    expect([x.get(), context.get(x)]).toEqual([1, 11]);
    expect(context.run(() => thrown(() => context.run(() => 1)))).toBe(
      'GeventError [GEVENT_CONTEXT_ENTERED]: cannot enter this Context: it is already entered',
    );
    expect(
      thrown(() =>
        context.run(() => {
          throw new RangeError('out');
        }),
      ),
    ).toBe('RangeError: out');
    expect([x.get(), context.run(() => x.get())]).toEqual([1, 11]);
  });

  test('run of a generator function holds while it runs, also when others run meanwhile, and ends with a kill', async () => {
    const { hub, clock, trace, seen } = world(core);
    const x = new ContextVar<string>('x', { default: 'none' });
    let context!: Context;
    const g = hub.spawn(function* () {
      x.set('own');
      context = copyContext();
      try {
        yield* context.run(function* () {
          x.set('inside');
          yield* sleep(1);
          trace(x.get());
          yield* sleep(100);
        });
      } finally {
        trace(x.get());
      }
    });
    hub.spawn(function* () {
      yield* sleep(0);
      trace(x.get());
    });
    clock.advance(1);
    g.kill({ block: false });
    clock.advance(0);
    expect(seen()).toEqual(['none', 'inside', 'own']);
    expect([context.get(x), context.run(() => x.get())]).toEqual(['inside', 'inside']);
  });

  test('run of an async function holds until it has settled', async () => {
    const { hub, clock } = world(core);
    const x = new ContextVar<string>('x', { default: 'none' });
    const g = hub.spawn(async () => {
      const inside = await copyContext().run(async () => {
        x.set('inside');
        await sleep(1);
        return x.get();
      });
      return [inside, x.get()];
    });
    await clock.advanceAsync(1);
    expect(g.value).toEqual(['inside', 'none']);
  });

  test('items of a pool that share a greenlet do not share a context', () => {
    const { hub, clock } = world(core);
    const x = new ContextVar<number>('x', { default: 0 });
    const mapped = hub.spawn(function* () {
      return yield* new Pool(1).map(
        (item: number) => {
          const before = x.get();
          x.set(item);
          return before;
        },
        [1, 2, 3],
      );
    });
    clock.advance(0);
    expect(mapped.value).toEqual([0, 0, 0]);
  });

  test('a context is no local', () => {
    const { hub, clock } = world(core);
    const g = hub.spawn(function* () {
      new ContextVar<number>('x').set(1);
      yield* sleep(1);
    });
    clock.advance(0);
    expect(allLocalDictsForGreenlet(g)).toEqual([]);
    clock.advance(1);
  });
});
