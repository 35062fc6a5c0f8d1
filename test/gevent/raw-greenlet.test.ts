// The greenlet primitive, after greenlet's own rules: what is passed where, who hears of what, in which order.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InvalidSwitchError } from '../../ts/exceptions.ts';
import { error as GreenletError, GreenletExit, getcurrent, gettrace, greenlet, settrace } from '../../ts/greenlet.ts';
import { call, createHub, Greenlet, getHub, joinall, kill, sleep, spawn, spawnRaw, until } from '../../ts/index.ts';
import type { Simulation } from '../../ts/testing.ts';
import { CORES, rejected, simulateOn, thrown, told } from '../support/cores.ts';
import { world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

describe.each(CORES)('on the %s core', (core) => {
  let sim: Simulation;
  let trace: Simulation['trace'];
  let log: unknown[];
  let atFirst: Record<string, number>;

  beforeEach(() => {
    sim = simulateOn(core);
    ({ trace, log } = sim);
    atFirst = sim.hub.statistics();
  });

  afterEach(() => {
    sim.hub.core.verify();
    sim.close();
  });

  /** Give back whatever it is switched to with, for ever. */
  function* echo(first?: unknown): Body {
    let value = first;
    for (;;) value = yield* getHub().main.switch(value);
  }

  describe('making one', () => {
    test('its parent is whoever made it, unless another is given', () => {
      const main = sim.hub.main;
      expect(new greenlet().parent).toBe(main);
      expect(new greenlet(null, null).parent).toBe(main);
      const other = new greenlet();
      expect(new greenlet(undefined, other).parent).toBe(other);
      const maker = new greenlet(function* (): Body {
        return new greenlet();
      });
      expect(maker.switch().value.parent).toBe(maker);
      let made: greenlet | undefined;
      sim.hub.runCallback(() => {
        made = new greenlet();
      });
      sim.clock.advance();
      expect(made?.parent).toBe(sim.hub);
    });

    test('a parent that is no greenlet is a TypeError that shows it', () => {
      expect(thrown(() => new greenlet(null, {} as greenlet))).toBe(
        'TypeError: greenlet(run, parent): expected a greenlet as parent, got an object (Object)',
      );
    });

    test('it belongs to the hub of its parent', () => {
      const far = createHub({ core });
      const g = new greenlet(() => getHub() === far, far);
      expect(g.parent === far).toBe(true);
      expect(new greenlet(() => getHub() === far, far.main).switch().value).toBe(true);
      far.destroy();
    });

    test('without a run function a switch or throw fails in the caller, and it can be given one later', () => {
      const g = new greenlet();
      expect(g.run).toBe(undefined);
      const none = 'GreenletError [GEVENT_GREENLET_NO_RUN]: greenlet has no run function';
      expect(thrown(() => g.switch())).toBe(none);
      expect(thrown(() => g.throw(new Error('not heard of')))).toBe(none);
      expect([g.state, g.dead, g.active]).toEqual(['pending', false, false]);
      g.run = (x: number) => x + 1;
      expect(g.switch(1).value).toBe(2);
    });

    test('inside a greenlet that failure is heard by whoever switched, and it goes on', () => {
      const g = new greenlet();
      const caller = new greenlet(function* (): Body {
        try {
          yield* g.switch();
        } catch (error) {
          return told(error);
        }
        return 'unheard';
      });
      expect(caller.switch().value).toBe('GreenletError [GEVENT_GREENLET_NO_RUN]: greenlet has no run function');
      expect(g.state).toBe('pending');
    });

    test('a run that cannot be called is a TypeError inside the new greenlet, so its parent hears of it', () => {
      const g = new greenlet(42 as never);
      expect(thrown(() => g.switch())).toBe('TypeError: greenlet: run is not callable: 42');
      expect(g.dead).toBe(true);
      const parent = new greenlet(function* (): Body {
        const child = new greenlet('text' as never);
        try {
          return yield* child.switch();
        } catch (error) {
          return `${told(error)}, ${child.state}`;
        }
      });
      expect(parent.switch().value).toBe('TypeError: greenlet: run is not callable: "text", dead');
    });

    test('a subclass may say what it runs by a method; a function given to the instance comes first', () => {
      class Adder extends (greenlet as any) {
        run(a: number, b: number) {
          return a + b;
        }
      }
      expect((new (Adder as any)() as greenlet).switch(1, 2).value).toBe(3);
      expect((new (Adder as any)((a: number) => -a) as greenlet).switch(1, 2).value).toBe(-1);
      const later = new (Adder as any)() as greenlet;
      later.run = () => 'assigned';
      expect(later.switch(1, 2).value).toBe('assigned');
    });

    test('a body has its greenlet as `this`, and getcurrent() gives it', () => {
      const g = new greenlet(function* (this: greenlet): Body {
        return [this, getcurrent()];
      });
      expect(g.switch().value.every((x: unknown) => x === g)).toBe(true);
      const plain = new greenlet(function (this: greenlet) {
        return [this, getcurrent()];
      });
      expect(plain.switch().value.every((x: unknown) => x === plain)).toBe(true);
      expect(getcurrent()).toBe(sim.hub.main);
    });

    test('run is there until the start, then gone, and setting it then is refused', () => {
      const body = function* (): Body {
        yield* getHub().main.switch();
      };
      const g = new greenlet(body);
      expect(g.run).toBe(body);
      g.switch();
      const late = 'GreenletError [GEVENT_GREENLET_STARTED]: run cannot be set after the start of the greenlet';
      expect(g.run).toBe(undefined);
      expect(thrown(() => (g.run = body))).toBe(late);
      g.switch();
      expect(g.dead).toBe(true);
      expect(thrown(() => (g.run = body))).toBe(late);
    });

    test('run is looked up at the first switch; if the look-up starts the greenlet, the switch goes on as a later one', () => {
      class Odd extends (greenlet as any) {
        looked = 0;
        get run() {
          if (++this.looked === 1) trace('inner', (this as unknown as greenlet).switch('inner').value);
          return echo;
        }
      }
      const g = new (Odd as any)() as greenlet;
      expect(g.switch('outer').value).toBe('outer');
      expect(log).toEqual(['inner inner']);
    });

    test('the class carries GreenletExit and error', () => {
      expect(greenlet.GreenletExit).toBe(GreenletExit);
      expect(greenlet.error).toBe(GreenletError);
      expect(greenlet.name).toBe('greenlet');
    });
  });

  describe('what a switch passes', () => {
    const one = [undefined, null, 0, '', [], [1], [1, 2], { k: 1 }];

    test.each([[[]], ...one.map((x) => [[x]]), [['a', 'b']]])(
      'the first switch with %j starts it with these arguments',
      (args: unknown[]) => {
        const g = new greenlet((...got: unknown[]) => ({ got }));
        expect(g.switch(...args).value).toEqual({ got: args });
      },
    );

    test.each(one.map((x) => [x]))('one argument (%j) arrives as itself', (x) => {
      const g = new greenlet(echo);
      g.switch();
      expect(g.switch(x).value).toBe(x);
    });

    test('no argument arrives as undefined, several as an array', () => {
      const g = new greenlet(echo);
      g.switch();
      expect(g.switch().value).toBe(undefined);
      expect(g.switch(1, [2]).value).toEqual([1, [2]]);
    });

    test('a switch gives what is next sent to the caller, by whomever', () => {
      const a = new greenlet(function* (b: greenlet): Body {
        trace('a got', yield* b.switch('from a'));
        return 'a is done';
      });
      const c = new greenlet(function* (): Body {
        yield* a.switch('from c');
      });
      const b = new greenlet(function* (x: string): Body {
        trace('b got', x);
        yield* c.switch();
      });
      expect(a.switch(b).value).toBe('a is done');
      expect(log).toEqual(['b got from a', 'a got from c']);
    });

    test('a result is one value for the parent, whatever it is', () => {
      for (const value of [undefined, null, [], [1], [1, 2]]) {
        expect(
          new greenlet(function* (): Body {
            return value;
          }).switch().value,
        ).toBe(value);
        expect(new greenlet(() => value).switch().value).toBe(value);
      }
    });

    test('a switch to oneself gives the argument at once, by the same packing', () => {
      const g = new greenlet(function* (this: greenlet): Body {
        return [yield* this.switch(), yield* this.switch(1), yield* this.switch(1, 2)];
      });
      expect(g.switch().value).toEqual([undefined, 1, [1, 2]]);
      const { main } = sim.hub;
      expect([main.switch().value, main.switch(7).value, main.switch(7, 8).value]).toEqual([undefined, 7, [7, 8]]);
    });

    test('two greenlets play ping-pong as long as they like', () => {
      const rounds = 10_000;
      function* player(other: greenlet, self: greenlet): Body {
        let ball = yield* other.switch(self, other);
        // The first switch into the other one gave it its arguments; the ball comes with the second.
        if (typeof ball !== 'number') ball = 0;
        while (ball < rounds) ball = yield* other.switch(ball + 1);
        return ball;
      }
      const a = new greenlet(player);
      const b: greenlet = new greenlet(function* (other: greenlet, self: greenlet): Body {
        let ball = 0;
        while (ball < rounds) ball = yield* other.switch(ball + 1);
        return [self === b, ball];
      });
      expect(a.switch(b, a).value).toEqual([true, rounds]);
    });
  });

  describe('in a long exchange', () => {
    /** Tell `other` a number, a thousand times over, calling `odd` at 777. */
    function* exchange(other: () => greenlet, odd: () => Body): Body {
      for (let i = 0; i < 1000; ++i) {
        if (i === 777) trace('odd', yield* odd());
        yield* other().switch(i);
      }
      return 'exchanged';
    }

    function play(odd: () => Body): unknown {
      const b: greenlet = new greenlet(function* (): Body {
        let sum = 0;
        for (;;) sum += (yield* a.switch(sum)) ?? 0;
      });
      const a = new greenlet(exchange);
      return a.switch(() => b, odd).value;
    }

    test('an error goes to the parent of the one that threw', () => {
      const odd = function* (): Body {
        throw new Error('at 777');
      };
      expect(thrown(() => play(odd))).toBe('Error: at 777');
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('one may call a frame, spawn, start, kill, or talk to others, and go on', () => {
      const odd = function* (): Body {
        const third = new greenlet(echo);
        const before = getcurrent();
        const got = [yield* call(nothing), third.dead, getcurrent() === before];
        const child = new greenlet(function* (x: number): Body {
          return x + 1;
        });
        got.push(yield* child.switch(1), child.dead);
        spawn(() => trace('spawned'));
        return got.join();
      };
      function* nothing(): Body {
        return 'frame';
      }
      expect(play(odd)).toBe('exchanged');
      sim.clock.advance();
      expect(log).toEqual(['odd frame,false,true,2,true', 'spawned']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('one may wait for the hub in between; whoever awaits the exchange gets its end', async () => {
      const b: greenlet = new greenlet(function* (): Body {
        for (;;) yield* a.switch();
      });
      const a = new greenlet(exchange);
      const op = a.switch(
        () => b,
        function* (): Body {
          yield* sleep(1);
          return sim.clock.seconds;
        },
      );
      const end = op.then((value: unknown) => value);
      sim.clock.advance(1);
      expect([await end, log]).toEqual(['exchanged', ['odd 1']]);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });
  });

  describe('death and the chain of parents', () => {
    test('an uncaught error is raised in the parent, where it is suspended', () => {
      const boom = new Error('boom');
      const parent = new greenlet(function* (): Body {
        const child = new greenlet(function* (): Body {
          throw boom;
        });
        try {
          yield* child.switch();
        } catch (error) {
          return [error, child.dead];
        }
        return 'unheard';
      });
      expect(parent.switch().value).toEqual([boom, true]);
    });

    test('main hears of it where it called', () => {
      const boom = new Error('boom');
      const g = new greenlet(function* (): Body {
        throw boom;
      });
      expect(() => g.switch()).toThrow(boom);
      expect(g.dead).toBe(true);
      // and a body that throws undefined has thrown all the same
      const odd = new greenlet(() => {
        throw undefined;
      });
      let caught: unknown = 'nothing';
      try {
        odd.switch();
      } catch (error) {
        caught = error;
      }
      expect(caught).toBe(undefined);
      expect(odd.dead).toBe(true);
    });

    test('an uncaught GreenletExit, or a subclass, is the value of the parent`s switch', () => {
      class Quit extends GreenletExit {}
      for (const exit of [new GreenletExit(), new Quit('bye')]) {
        const g = new greenlet(function* (): Body {
          throw exit;
        });
        expect(g.switch().value).toBe(exit);
        expect(g.dead).toBe(true);
      }
    });

    test('with the parent dead the grandparent gets the value, or the error', () => {
      const { main } = sim.hub;
      for (const fails of [false, true]) {
        let child: greenlet | undefined;
        const grandparent = new greenlet(function* (): Body {
          const parent = new greenlet(function* (): Body {
            child = new greenlet(function* (): Body {
              yield* main.switch('child');
              if (fails) throw new Error('result');
              return 'result';
            });
            yield* child.switch();
            return 'parent';
          });
          trace(yield* parent.switch());
          try {
            trace('value', yield* main.switch('grandparent'));
          } catch (error) {
            trace(told(error));
          }
        });
        trace(grandparent.switch().value);
        // The child sleeps in a switch, its parent in that of the child; end the parent, which goes on to the grandparent.
        const orphan = child as unknown as greenlet;
        trace((orphan.parent as greenlet).switch().value);
        expect(orphan.parent?.dead).toBe(true);
        orphan.switch();
        expect([orphan.dead, grandparent.dead]).toEqual([true, true]);
      }
      const same = ['child', 'parent', 'grandparent'];
      expect(log).toEqual([...same, 'value result', ...same, 'Error: result']);
    });

    test('the whole chain above may be dead but main', () => {
      let inner: greenlet | undefined;
      const outer = new greenlet(function* (): Body {
        const middle = new greenlet(function* (): Body {
          inner = new greenlet(function* (): Body {
            yield* sim.hub.main.switch('ready');
            return 'the end';
          });
          yield* inner.switch();
        });
        yield* middle.switch();
      });
      expect(outer.switch().value).toBe('ready');
      const middle = (inner as unknown as greenlet).parent as greenlet;
      expect(middle.parent).toBe(outer);
      middle.throw();
      expect([middle.dead, outer.dead]).toEqual([true, true]);
      expect((inner as unknown as greenlet).switch().value).toBe('the end');
    });

    test('a dead target: the nearest living ancestor receives the packed arguments', () => {
      const { main } = sim.hub;
      const dead = new greenlet(() => 1);
      dead.switch();
      expect([dead.switch().value, dead.switch(1).value, dead.switch(1, 2).value]).toEqual([undefined, 1, [1, 2]]);
      const ancestor = new greenlet(function* (): Body {
        const child = new greenlet(() => 'child');
        yield* child.switch();
        trace('got', yield* main.switch(child));
        return 'ancestor is done';
      });
      const child = ancestor.switch().value as greenlet;
      expect(child.dead).toBe(true);
      expect(child.switch('for the ancestor').value).toBe('ancestor is done');
      expect(log).toEqual(['got for the ancestor']);
    });

    test('an ancestor that was never started is started with the arguments', () => {
      const unstarted = new greenlet((...args: unknown[]) => ['started with', ...args]);
      const dead = new greenlet(() => 1, unstarted);
      expect(dead.switch().value).toEqual(['started with', 1]);
      const another = new greenlet((...args: unknown[]) => ['again', ...args]);
      dead.parent = another;
      expect(dead.switch('a', 'b').value).toEqual(['again', 'a', 'b']);
    });

    test('a parent that cannot be started fails with its own error, heard by the grandparent', () => {
      const parent = new greenlet(); // without run
      const returns = new greenlet(() => 1, parent);
      expect(thrown(() => returns.switch())).toBe(
        'GreenletError [GEVENT_GREENLET_NO_RUN]: greenlet has no run function',
      );
      const fails = new greenlet(() => {
        throw new Error('lost with the parent');
      }, parent);
      expect(thrown(() => fails.switch())).toBe('GreenletError [GEVENT_GREENLET_NO_RUN]: greenlet has no run function');
      expect([parent.state, returns.state, fails.state]).toEqual(['pending', 'dead', 'dead']);
    });

    test('under the loop such a failure is reported, and the loop goes on', () => {
      const parent = new greenlet(null, sim.hub);
      const fails = spawnRaw(() => {
        throw new Error('lost with the parent');
      });
      fails.parent = parent;
      spawn(() => trace('goes on'));
      sim.clock.advance();
      expect(log).toEqual(['goes on']);
      expect(sim.reports.join('')).toMatch(/greenlet has no run function[\s\S]* failed with GreenletError\n/);
    });

    test('the parent can be set before, while and after it runs; then the new one gets what comes', () => {
      function* forwards(name: string): Body {
        trace(name, 'got', yield* sim.hub.main.switch());
        return name;
      }
      const [first, second] = [new greenlet(forwards), new greenlet(forwards)];
      first.switch('first');
      second.switch('second');
      const g = new greenlet(function* (this: greenlet): Body {
        yield* sim.hub.main.switch();
        this.parent = second;
        return 'result';
      }, first);
      g.switch();
      expect(g.switch().value).toBe('second');
      g.parent = first;
      expect(g.switch('dead, so up').value).toBe('first');
      expect(log).toEqual(['second got result', 'first got dead, so up']);
    });

    test('a cycle of parents is refused, also of one', () => {
      const a = new greenlet();
      const b = new greenlet(null, a);
      const c = new greenlet(null, b);
      expect(thrown(() => (a.parent = c))).toBe('RangeError: cyclic parent chain');
      expect(thrown(() => (a.parent = a))).toBe('RangeError: cyclic parent chain');
      expect(thrown(() => (sim.hub.parent = spawn(() => 1)))).toBe('RangeError: cyclic parent chain');
      expect([a.parent === sim.hub.main, b.parent === a, c.parent === b]).toEqual([true, true, true]);
      expect(sim.hub.parent === sim.hub.main).toBe(true);
    });

    test('what is no greenlet, or on another hub, cannot be a parent; main has none', () => {
      const g = new greenlet();
      expect(thrown(() => (g.parent = null as never))).toBe('TypeError: parent: expected a greenlet, got null');
      expect(thrown(() => (g.parent = 'x' as never))).toBe('TypeError: parent: expected a greenlet, got "x"');
      const far = createHub({ core });
      expect(thrown(() => (g.parent = far.main))).toBe('RangeError: parent cannot be on a different hub');
      far.destroy();
      expect(g.parent).toBe(sim.hub.main);
      expect(sim.hub.main.parent).toBe(null);
      expect(thrown(() => (sim.hub.main.parent = g))).toMatch(/GEVENT_MAIN_PARENT/);
    });

    test('the parent of a Greenlet and of a raw one under the hub is the hub', () => {
      expect(new Greenlet(() => 1).parent).toBe(sim.hub);
      expect(spawnRaw(() => 1).parent).toBe(sim.hub);
    });

    test('a child raises, a parent parked in try and catch catches (canon 19)', () => {
      const parent = new greenlet(function* (): Body {
        const child = new greenlet(function* (): Body {
          yield* sim.hub.main.switch('child is waiting');
          throw new RangeError('from the child');
        });
        try {
          yield* child.switch();
        } catch (error) {
          return `caught ${told(error)}`;
        }
        return 'missed';
      });
      trace(parent.switch().value);
      sim.hub.main.switch();
      const unstarted = new greenlet(() => trace('never'));
      const child = new greenlet(() => trace('never'), unstarted);
      expect(thrown(() => child.throw(new RangeError('index')))).toBe('RangeError: index');
      expect([child.dead, unstarted.dead]).toEqual([true, true]);
      expect(log).toEqual(['child is waiting']);
    });
  });

  describe('throw', () => {
    /** Tell what was thrown in, and wait again. */
    function* catcher(): Body {
      let value: unknown = 'waiting';
      for (;;) {
        try {
          value = yield* sim.hub.main.switch(value);
        } catch (error) {
          value = error;
        }
      }
    }

    class Custom extends Error {
      readonly args: unknown[];
      constructor(...args: unknown[]) {
        super(String(args[0]));
        this.args = args;
      }
    }

    test('nothing means GreenletExit; a class is made, with its arguments; an instance is itself', () => {
      const g = new greenlet(catcher);
      g.switch();
      expect(g.throw().value).toBeInstanceOf(GreenletExit);
      expect(g.throw(undefined).value).toBeInstanceOf(GreenletExit);
      expect(g.throw(GreenletExit, 'text').value).toMatchObject({ message: 'text' });
      expect(g.throw(Custom).value).toMatchObject({ args: [] });
      expect(g.throw(Custom, 1).value).toMatchObject({ args: [1] });
      expect(g.throw(Custom, 1, 2).value).toMatchObject({ args: [1, 2] });
      const error = new Custom('mine');
      expect(g.throw(error).value).toBe(error);
      expect(g.throw(Custom, error).value).toBe(error);
      expect(g.throw(Error, error).value).toBe(error);
      expect(g.throw(Error).value.constructor).toBe(Error);
      expect(g.switch('still there').value).toBe('still there');
    });

    test.each([
      [42, 'not 42'],
      [null, 'not null'],
      ['text', 'not "text"'],
      [{ message: 'looks like one' }, 'not an object (Object)'],
      [Map, 'not function Map'],
      [() => new Error('made'), 'not function (anonymous)'],
    ])('%s is no exception: a TypeError in the caller, and nothing has moved', (value, shown) => {
      const g = new greenlet(catcher);
      const { value: first } = g.switch();
      expect(first).toBe('waiting');
      expect(thrown(() => g.throw(value))).toBe(`TypeError: exceptions must be classes, or instances, ${shown}`);
      expect(g.state).toBe('suspended active started');
      const caller = new greenlet(function* (): Body {
        return thrown(() => g.throw(value));
      });
      expect(caller.switch().value).toBe(`TypeError: exceptions must be classes, or instances, ${shown}`);
      expect(g.switch('untouched').value).toBe('untouched');
    });

    test('an instance with a value beside it is a TypeError in the caller', () => {
      const g = new greenlet(catcher);
      g.switch();
      const text = 'TypeError: instance exception may not have a separate value';
      expect(thrown(() => g.throw(new Error('one'), 'two'))).toBe(text);
      expect(g.switch('untouched').value).toBe('untouched');
    });

    test('a class that fails to be made fails in the caller', () => {
      class Broken extends Error {
        constructor() {
          super();
          throw new RangeError('cannot be made');
        }
      }
      const g = new greenlet(catcher);
      g.switch();
      expect(thrown(() => g.throw(Broken))).toBe('RangeError: cannot be made');
      expect(g.switch('untouched').value).toBe('untouched');
    });

    test('into a suspended one it is raised at its switch, and throw() gives what is next sent to the caller', () => {
      const g = new greenlet(function* (): Body {
        try {
          yield* sim.hub.main.switch();
        } finally {
          trace('finally');
        }
      });
      g.switch();
      const thrower = new greenlet(function* (): Body {
        try {
          yield* g.throw(new Custom('gone'));
        } catch (error) {
          return error;
        }
        return 'g belongs to main';
      });
      // g's parent is main: the error arrives there, and the thrower is left in its throw()
      expect(thrown(() => thrower.switch())).toBe('Error: gone');
      expect(log).toEqual(['finally']);
      expect([g.dead, thrower.state]).toEqual([true, 'suspended active started']);
      expect(thrower.switch('later').value).toBe('g belongs to main');
    });

    test('into an unstarted one: it dies without running, and its parent hears of it, not the thrower', () => {
      const parent = new greenlet(function* (): Body {
        const child = new greenlet(() => trace('never'));
        try {
          trace('got', yield* sim.hub.main.switch(child));
        } catch (error) {
          trace('parent caught', told(error));
        }
        return 'parent is done';
      });
      const child = parent.switch().value as greenlet;
      expect(child.throw(new Custom('early')).value).toBe('parent is done');
      expect(log).toEqual(['parent caught Error: early']);
      expect(child.dead).toBe(true);
      const quiet = new greenlet(() => trace('never'));
      const exit = new GreenletExit('quiet');
      expect(quiet.throw(exit).value).toBe(exit);
      expect(quiet.dead).toBe(true);
    });

    test('into a dead one: GreenletExit is the value, anything else is raised in the nearest living ancestor', () => {
      const dead = new greenlet(() => 1);
      dead.switch();
      const exit = new GreenletExit();
      expect(dead.throw(exit).value).toBe(exit);
      expect(dead.throw().value).toBeInstanceOf(GreenletExit);
      expect(thrown(() => dead.throw(new Custom('to main')))).toBe('Error: to main');
      const ancestor = new greenlet(function* (): Body {
        const child = new greenlet(() => 1);
        yield* child.switch();
        try {
          yield* sim.hub.main.switch(child);
        } catch (error) {
          return told(error);
        }
        return 'missed';
      });
      const child = ancestor.switch().value as greenlet;
      expect(child.throw(new Custom('to the ancestor')).value).toBe('Error: to the ancestor');
    });

    test('into oneself it is raised in place', () => {
      const g = new greenlet(function* (this: greenlet): Body {
        try {
          yield* this.throw(new Custom('self'));
        } catch (error) {
          return told(error);
        }
        return 'missed';
      });
      expect(g.switch().value).toBe('Error: self');
      expect(thrown(() => sim.hub.main.throw(new Custom('main itself')))).toBe('Error: main itself');
    });

    test('a Greenlet that has ended hears nothing: the thrower just goes on', () => {
      const g = spawn(() => 1);
      sim.clock.advance();
      expect(g.throw(new Custom('late')).value).toBe(undefined);
      expect(g.throw().value).toBe(undefined);
      const thrower = new greenlet(function* (): Body {
        return ['came back', yield* g.throw(new Custom('late'))];
      });
      expect(thrower.switch().value).toEqual(['came back', undefined]);
      expect(sim.reports).toEqual([]);
    });

    test.each([
      ['spawned', () => spawn(() => trace('never'))],
      ['due later', () => Greenlet.spawnLater(1, () => trace('never'))],
    ])('a Greenlet that is %s and has not run: its start is off', (_name, make) => {
      const g = make();
      sim.hub.runCallback(() => g.throw(new Custom('before the start')));
      expect(sim.hub.runCallback(() => trace('callback')).pending).toBe(true);
      const at = sim.hub.statistics();
      expect(at.greenlets).toBe(1);
      g.throw(new GreenletExit());
      expect([g.dead, g.successful()]).toEqual([true, true]);
      sim.clock.advance(2);
      expect(log).toEqual(['callback']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });
  });

  describe('states and their texts', () => {
    function stand(g: greenlet): unknown[] {
      return [g.active, g.dead, g.run !== undefined, g.state];
    }

    test('pending, current, suspended, dead', () => {
      const g = new greenlet(function* worker(this: greenlet): Body {
        trace(...stand(this));
        yield* sim.hub.main.switch();
      });
      expect(stand(g)).toEqual([false, false, true, 'pending']);
      expect(String(g)).toBe('<greenlet worker pending>');
      g.switch();
      expect(log).toEqual(['true false false current active started']);
      expect(stand(g)).toEqual([true, false, false, 'suspended active started']);
      expect(String(g)).toBe('<greenlet worker suspended active started>');
      g.switch();
      expect(stand(g)).toEqual([false, true, false, 'dead']);
      expect(String(g)).toBe('<greenlet dead>');
    });

    test('a subclass shows its name', () => {
      class Special extends greenlet {}
      expect(String(new Special())).toBe('<Special pending>');
    });

    test('main is alive for ever and has no run', () => {
      const { main } = sim.hub;
      expect(stand(main)).toEqual([true, false, false, 'current active started']);
      expect(String(main)).toContain('main');
      new greenlet(() => trace(main.active, main.dead, main.state)).switch();
      expect(log).toEqual(['true false suspended active started']);
      expect(thrown(() => main.throw())).toBe('GreenletExit [GEVENT_GREENLET_EXIT]: ');
      expect(main.dead).toBe(false);
      expect(() => (main.run = () => 1)).toThrow();
    });

    test('one that waits for the hub is suspended, active and started', () => {
      const g = spawnRaw(function* (): Body {
        yield* sleep(1);
      });
      expect(stand(g)).toEqual([false, false, true, 'pending']);
      sim.clock.advance();
      expect(stand(g)).toEqual([true, false, false, 'suspended active started']);
      sim.clock.advance(1);
      expect(stand(g)).toEqual([false, true, false, 'dead']);
    });
  });

  describe('tracing', () => {
    const names = new Map<greenlet, string>();

    beforeEach(() => {
      names.clear();
      names.set(sim.hub.main, 'M').set(sim.hub, 'H');
      settrace((event, origin, target) => {
        trace(`${event}(${names.get(origin) ?? '?'}→${names.get(target) ?? '?'})`);
      });
    });

    function named<G extends greenlet>(name: string, g: G): G {
      names.set(g, name);
      return g;
    }

    test('settrace gives the tracer before, gettrace the one in force; null takes it off', () => {
      const one = () => {};
      const first = gettrace();
      expect(settrace(one)).toBe(first);
      expect(settrace(one)).toBe(one);
      expect(gettrace()).toBe(one);
      expect(settrace(null)).toBe(one);
      expect(gettrace()).toBe(null);
      expect(thrown(() => settrace(42 as never))).toMatch(
        /^TypeError: settrace\(tracer\): expected a function or null/,
      );
    });

    test('a start and a return are two switches', () => {
      named('g', new greenlet(() => 1)).switch();
      expect(log).toEqual(['switch(M→g)', 'switch(g→M)']);
    });

    test('an uncaught error is a throw into the parent', () => {
      const g = named(
        'g',
        new greenlet(function* (): Body {
          throw new Error('boom');
        }),
      );
      expect(() => g.switch()).toThrow('boom');
      expect(log).toEqual(['switch(M→g)', 'throw(g→M)']);
    });

    test('a throw into a suspended one that catches it and returns', () => {
      const g = named(
        'g',
        new greenlet(function* (): Body {
          try {
            yield* sim.hub.main.switch();
          } catch {
            return;
          }
        }),
      );
      g.switch();
      log.length = 0;
      g.throw(new Error('caught'));
      expect(log).toEqual(['throw(M→g)', 'switch(g→M)']);
    });

    test('a throw into an unstarted one comes back as a throw, a GreenletExit as a switch', () => {
      const g = named('g', new greenlet(() => 1));
      expect(() => g.throw(new Error('boom'))).toThrow('boom');
      expect(log.splice(0)).toEqual(['throw(M→g)', 'throw(g→M)']);
      named('g', new greenlet(() => 1)).throw();
      expect(log).toEqual(['throw(M→g)', 'switch(g→M)']);
    });

    test('a switch to oneself, and to a dead one whose living ancestor one is, is a switch from oneself to oneself', () => {
      sim.hub.main.switch();
      const dead = named('dead', new greenlet(() => 1));
      dead.switch();
      log.length = 0;
      dead.switch();
      sim.hub.main.switch(1);
      expect(log).toEqual(['switch(M→M)', 'switch(M→M)']);
    });

    test('a switch that fails in the caller is no event', () => {
      expect(() => named('g', new greenlet()).switch()).toThrow('no run function');
      expect(() => named('g', new greenlet()).throw()).toThrow('no run function');
      expect(() => named('g', new greenlet(echo)).throw(42)).toThrow(TypeError);
      expect(log).toEqual([]);
    });

    test('control that goes through several parents is told step by step', () => {
      const parent = named('p', new greenlet(() => 1));
      const child = named('c', new greenlet(() => 1, parent));
      expect(() => child.throw(new Error('all the way'))).toThrow('all the way');
      expect(log).toEqual(['throw(M→c)', 'throw(c→p)', 'throw(p→M)']);
    });

    test('the tracer runs in the context of the target', () => {
      const seen: unknown[] = [];
      settrace((_event, _origin, target) => seen.push(getcurrent() === target));
      const g = new greenlet(function* (): Body {
        yield* sim.hub.main.switch();
        throw new Error('boom');
      });
      g.switch();
      expect(() => g.switch()).toThrow('boom');
      expect(seen).toEqual([true, true, true, true]);
    });

    test('under the hub each transfer between it and a greenlet is told', () => {
      named(
        'g',
        spawn(function* () {
          yield* sleep(0);
          yield* sleep(1);
        }),
      );
      named(
        'r',
        spawnRaw(function* () {
          yield* sleep(1);
        }),
      );
      sim.clock.advance(1);
      expect(log).toEqual([
        'switch(H→g)',
        'switch(g→H)',
        'switch(H→r)',
        'switch(r→H)',
        'switch(H→g)',
        'switch(g→H)',
        'switch(H→r)',
        'switch(r→H)',
        'switch(H→g)',
        'switch(g→H)',
      ]);
    });

    test('a kill is told as a throw from the hub', () => {
      const g = named(
        'g',
        spawn(function* () {
          yield* sleep(1);
        }),
      );
      sim.clock.advance();
      g.kill({ block: false });
      sim.clock.advance();
      expect(log).toEqual(['switch(H→g)', 'switch(g→H)', 'throw(H→g)', 'switch(g→H)']);
    });

    test('set by a greenlet while the hub runs, it tells of all that follows', () => {
      const tracer = settrace(null);
      named(
        'a',
        spawn(function* () {
          settrace(tracer);
          yield* sleep(0);
        }),
      );
      named(
        'b',
        spawn(function* () {
          yield* sleep(0);
        }),
      );
      sim.clock.advance();
      expect(log).toEqual([
        'switch(a→H)',
        'switch(H→b)',
        'switch(b→H)',
        'switch(H→a)',
        'switch(a→H)',
        'switch(H→b)',
        'switch(b→H)',
      ]);
    });

    test('set or taken off in the middle of a long exchange, it tells of exactly what lies between', () => {
      const tracer = settrace(null);
      function* player(rounds: number, other: () => greenlet): Body {
        for (let i = 1; i <= rounds; ++i) {
          if (i === 1000) settrace(tracer);
          if (i === 1002) settrace(null);
          yield* other().switch(rounds - 1, () => a);
        }
      }
      const a: greenlet = named('a', new greenlet(player));
      const b = named(
        'b',
        new greenlet(function* (): Body {
          for (;;) yield* a.switch();
        }),
      );
      a.switch(2000, () => b);
      expect(log).toEqual(['switch(a→b)', 'switch(b→a)', 'switch(a→b)', 'switch(b→a)']);
    });

    describe('a tracer that throws is taken off, and its error is raised in the target', () => {
      const broken = (times = 1) => {
        let left = times;
        settrace(() => {
          if (--left === 0) throw new Error('bad tracer');
        });
      };

      test('a suspended one gets it at its switch', () => {
        const g = new greenlet(function* (): Body {
          try {
            yield* sim.hub.main.switch();
          } catch (error) {
            return [told(error), gettrace()];
          }
          return 'missed';
        });
        settrace(null);
        g.switch();
        broken();
        expect(g.switch().value).toEqual(['Error: bad tracer', null]);
      });

      test('one that was to start dies without running', () => {
        const g = new greenlet(() => trace('never'));
        broken();
        expect(thrown(() => g.switch())).toBe('Error: bad tracer');
        expect([g.dead, gettrace(), log]).toEqual([true, null, []]);
      });

      test('main gets it where it called', () => {
        const g = new greenlet(() => 'lost');
        broken(2);
        expect(thrown(() => g.switch())).toBe('Error: bad tracer');
        expect([g.dead, gettrace()]).toEqual([true, null]);
      });

      test('on the way of an error it takes the place of that error', () => {
        const g = new greenlet(() => {
          throw new Error('first');
        });
        broken(2);
        expect(thrown(() => g.switch())).toBe('Error: bad tracer');
      });

      test('under the hub it ends that greenlet, is reported, and the others go on', () => {
        broken();
        const a = spawn(function* () {
          trace('never');
        });
        spawn(function* () {
          yield* sleep(1);
          trace('b');
        });
        sim.clock.advance(1);
        expect(log).toEqual(['b']);
        expect([told(a.exception), gettrace()]).toEqual(['Error: bad tracer', null]);
        expect(sim.reports.length).toBe(1);
        expect(sim.hub.statistics()).toEqual(atFirst);
      });

      test('on the way back to the hub it is reported, and the greenlet goes on', () => {
        const g = spawn(function* () {
          broken();
          yield* sleep(1);
          trace('woke');
        });
        sim.clock.advance(1);
        expect(log).toEqual(['switch(H→?)', 'woke']);
        expect([g.successful(), gettrace(), sim.reports.length]).toEqual([true, null, 1]);
      });
    });
  });

  describe('bodies', () => {
    test('an async function is a TypeError for the parent, and the greenlet is dead', () => {
      const g = new greenlet(async () => trace('never'));
      expect(thrown(() => g.switch())).toBe(
        'TypeError: greenlet: an async function cannot be switched; use a generator function',
      );
      expect([g.dead, log]).toEqual([true, []]);
    });

    test('an async generator function is refused as well', () => {
      const g = new greenlet(async function* () {
        trace('never');
      });
      expect(thrown(() => g.switch())).toMatch(/^TypeError: greenlet: an async /);
    });

    test('a plain function runs to its end; a switch in it only describes', () => {
      const other = new greenlet(() => trace('never'));
      const g = new greenlet((x: number) => {
        other.switch();
        return x * 2;
      });
      expect(g.switch(4).value).toBe(8);
      expect([other.state, log]).toEqual(['pending', []]);
      expect(sim.reports.join('')).toMatch(/GEVENT_UNCONSUMED: switch to <greenlet [^>]*pending>/);
    });

    test('a plain function may give a generator: it is the body', () => {
      const g = new greenlet((x: number) => echo(x));
      expect([g.switch(1).value, g.switch(2).value]).toEqual([1, 2]);
    });

    test('an operation of main that was carried out is not for a body as well', () => {
      const g = new greenlet(echo);
      const op = g.switch('main');
      const other = new greenlet(function* (): Body {
        try {
          return yield* op;
        } catch (error) {
          return told(error);
        }
      });
      expect(other.switch().value).toMatch(/GEVENT_OPERATION_REUSED/);
      expect(op.value).toBe('main');
    });

    test('a switch consumed twice is refused', () => {
      const g = new greenlet(echo);
      g.switch();
      const caller = new greenlet(function* (): Body {
        const op = sim.hub.main.switch('once');
        yield* op;
        try {
          yield* op;
        } catch (error) {
          return told(error);
        }
        return 'twice';
      });
      expect(caller.switch().value).toBe('once');
      expect(caller.switch().value).toBe(
        'OperationError [GEVENT_OPERATION_REUSED]: switch to <greenlet main>: this operation was consumed before; call the function again for another',
      );
    });

    test('a switch without a value holds no state: it can be consumed again, by anybody', () => {
      const { hub, log } = world(core, { debug: false });
      const counter = new greenlet(function* (): Body {
        for (let i = 1; ; ++i) yield* hub.main.switch(i);
      });
      const taker = () =>
        new greenlet(function* (op: any): Body {
          log.push(yield* op);
          log.push(yield* op);
        });
      let op: any;
      new greenlet(() => (op = counter.switch())).switch();
      log.push(op.describe());
      for (const g of [taker(), taker()]) {
        g.switch(op);
        g.switch('a');
        g.switch('b');
      }
      expect(log).toEqual([expect.stringMatching(/^switch to <greenlet/), 'a', 'b', 'a', 'b']);
      expect(() => op.value).toThrow(/has not come back to main/);
      const own = (counter.switch() as any).value;
      expect(own).toBe(5);
    });

    test('an async body cannot switch', async () => {
      const g = new greenlet(echo);
      const body = spawn(async () => rejected(g.switch(1)));
      await sim.clock.advanceAsync();
      expect(body.value).toMatch(/^GreenletError \[GEVENT_SWITCH_IN_ASYNC\]: switch to <greenlet echo pending>: /);
      expect(g.state).toBe('pending');
    });
  });

  describe('greenlets and the hub', () => {
    test('a raw greenlet may wait for the hub in between; main awaits its switch', async () => {
      const g = new greenlet(function* (x: string): Body {
        trace(x);
        yield* sleep(1);
        trace('woke');
        return 'value';
      });
      const op = g.switch('started');
      expect(log).toEqual(['started']);
      expect(sim.hub.statistics()).toMatchObject({ slots: 1, greenlets: 1, timers: 1 });
      expect(thrown(() => op.value)).toMatch(
        /^GreenletError \[GEVENT_MAIN_NOT_PARKED\]: switch to <greenlet .*; await the switch for its value$/,
      );
      const got = Promise.all([op, op.then((value) => `then ${value}`), op]);
      sim.clock.advance(1);
      expect(log).toEqual(['started', 'woke']);
      expect(op.value).toBe('value');
      expect(await got).toEqual(['value', 'then value', 'value']);
      expect(await op).toBe('value');
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('its error rejects that await; the value throws it as well', async () => {
      const g = new greenlet(function* (): Body {
        yield* sleep(1);
        throw new Error('late');
      });
      const op = g.switch();
      const got = op.then(() => 'no error', told);
      sim.clock.advance(1);
      expect(await got).toBe('Error: late');
      expect(thrown(() => op.value)).toBe('Error: late');
      expect(await rejected(op)).toBe('Error: late');
      expect(sim.reports).toEqual([]);
    });

    test('an error for a main that does not await is reported, and still there for a later await', async () => {
      const g = new greenlet(function* (): Body {
        yield* sleep(1);
        throw new Error('unheard');
      });
      const op = g.switch();
      sim.clock.advance(1);
      expect(sim.reports.join('')).toMatch(/Error: unheard[\s\S]*<greenlet .*> failed with Error\n/);
      expect(await rejected(op)).toBe('Error: unheard');
    });

    test('a switch that came back at once leaves an earlier one waiting', async () => {
      const slow = new greenlet(function* (): Body {
        yield* sleep(1);
        return 'slow';
      });
      const pending = slow.switch();
      expect(new greenlet(() => 'fast').switch().value).toBe('fast');
      expect(thrown(() => new greenlet().switch())).toMatch(/no run function/);
      expect(
        thrown(() =>
          new greenlet(() => {
            throw new Error('at once');
          }).switch(),
        ),
      ).toBe('Error: at once');
      const got = pending.then((value: unknown) => value);
      sim.clock.advance(1);
      expect(await got).toBe('slow');
    });

    test('of two switches that both went to the hub the first is told that main switched away', async () => {
      function* waits(name: string): Body {
        yield* sleep(1);
        return name;
      }
      const first = new greenlet(waits).switch('first');
      const failure = rejected(first);
      const second = new greenlet(waits).switch('second');
      expect(await failure).toMatch(/^GreenletError \[GEVENT_MAIN_NOT_PARKED\]/);
      sim.clock.advance(1);
      expect(await second).toBe('first');
    });

    test('a switch into a Greenlet that sleeps raises InvalidSwitchError in it', () => {
      const sleeper = spawn(function* () {
        try {
          yield* sleep(10);
        } catch (error) {
          trace((error as Error) instanceof InvalidSwitchError, told(error));
        }
        yield* sleep(1);
        return 'goes on';
      });
      sim.clock.advance();
      const intruder = new greenlet(function* (): Body {
        yield* sleeper.switch('hello');
      }, sim.hub);
      intruder.switch();
      expect(log).toEqual([
        `true InvalidSwitchError [GEVENT_INVALID_SWITCH]: Invalid switch into ${sleeper}: got "hello" (expected to be woken by the hub from what it waits for)`,
      ]);
      sim.clock.advance(1);
      expect(sleeper.value).toBe('goes on');
      expect(intruder.state).toBe('suspended active started');
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a switch into a raw greenlet that sleeps does the same', () => {
      const sleeper = spawnRaw(function* () {
        try {
          yield* sleep(10);
        } catch (error) {
          trace((error as Error).name);
        }
      });
      sim.clock.advance();
      sleeper.switch(1);
      expect([log, sleeper.dead]).toEqual([['InvalidSwitchError'], true]);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a switch or throw into an async body arrives at its operation', async () => {
      async function body(this: Greenlet) {
        for (let i = 0; i < 2; ++i) {
          try {
            await sleep(10);
          } catch (error) {
            trace(told(error).replace(/<.*>/, 'me'));
          }
        }
        return 'done';
      }
      const g = spawn(body);
      await sim.clock.advanceAsync();
      g.switch('x');
      await sim.clock.advanceAsync();
      g.throw(new Error('thrown in'));
      await sim.clock.advanceAsync();
      expect(log).toEqual([
        'InvalidSwitchError [GEVENT_INVALID_SWITCH]: Invalid switch into me: got "x" (expected to be woken by the hub from what it waits for)',
        'Error: thrown in',
      ]);
      expect(g.value).toBe('done');
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a Greenlet waits in a switch until a callback of the hub sends it something', () => {
      const g = spawn(function* () {
        trace('got', yield* sim.hub.switch());
        trace('got', yield* sim.hub.switch());
      });
      sim.clock.advance(5);
      expect(sim.hub.statistics()).toMatchObject({ greenlets: 1, ready: 0, waiting: 0, timers: 0 });
      sim.hub.runCallback(() => {
        g.switch('a value');
        trace('callback');
        g.switch(1, 2);
      });
      sim.clock.advance();
      expect(log).toEqual(['got a value', 'callback', 'got 1,2']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a switch from a callback comes back as soon as control is the hub`s', () => {
      const g = new greenlet(function* (): Body {
        trace('g', getcurrent() === g);
        yield* sleep(1);
        trace('g woke');
        throw new Error('for the hub');
      }, sim.hub);
      sim.hub.runCallback(() => {
        g.switch();
        trace('callback', getcurrent() === sim.hub);
      });
      spawn(() => trace('next'));
      sim.clock.advance(1);
      expect(log).toEqual(['g true', 'callback true', 'next', 'g woke']);
      expect(sim.reports.join('')).toMatch(/Error: for the hub[\s\S]*<greenlet .*> failed with Error\n/);
    });

    test('one that switches away and is killed runs its finally', () => {
      const g = spawn(function* () {
        try {
          yield* sim.hub.switch();
        } finally {
          trace('finally');
        }
      });
      sim.clock.advance();
      kill(g);
      sim.clock.advance();
      expect([log, (g.value as unknown) instanceof GreenletExit]).toEqual([['finally'], true]);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a kill of a raw greenlet that never ran, that is suspended, and that is dead', () => {
      const fresh = new greenlet(() => trace('never'), sim.hub);
      const suspended = new greenlet(function* (): Body {
        try {
          yield* sim.hub.main.switch();
        } finally {
          trace('finally');
        }
      }, sim.hub);
      suspended.switch();
      const dead = new greenlet(() => 1);
      dead.switch();
      for (const g of [fresh, suspended, dead]) kill(g);
      expect([fresh.dead, suspended.dead]).toEqual([false, false]);
      sim.clock.advance();
      expect([fresh.dead, suspended.dead, log]).toEqual([true, true, ['finally']]);
      expect(sim.reports).toEqual([]);
    });

    test('greenlets waiting for the hub and for each other mix', () => {
      const worker = new greenlet(function* (n: number): Body {
        for (;;) {
          yield* sleep(n);
          n = yield* boss.switch(`slept ${n}`);
        }
      });
      const boss = spawn(function* () {
        trace(yield* worker.switch(1));
        trace(yield* worker.switch(2));
        yield* sleep(1);
        trace('boss');
      });
      sim.clock.advance(3);
      expect(log).toEqual(['slept 1', 'slept 2']);
      sim.clock.advance(1);
      expect(log).toEqual(['slept 1', 'slept 2', 'boss']);
      // the worker is suspended in its switch, outside the core
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a greenlet that waits for a promise is switched into no less wrongly', async () => {
      const { promise, resolve } = Promise.withResolvers<string>();
      const g = spawnRaw(function* () {
        try {
          yield* until(promise);
        } catch (error) {
          trace((error as Error).name);
        }
        yield* sleep(0);
        trace('went on');
      });
      sim.clock.advance();
      g.switch();
      resolve('too late');
      await sim.clock.advanceAsync();
      expect(log).toEqual(['InvalidSwitchError', 'went on']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('greenlets of one hub cannot be switched to on another', () => {
      const far = createHub({ core });
      const text = 'GreenletError [GEVENT_GREENLET_ERROR]: cannot switch to a different thread';
      let g: greenlet | undefined;
      far.spawn(function* () {
        g = new greenlet(echo);
      });
      far.turn();
      const other = g as unknown as greenlet;
      const here = new greenlet(function* (): Body {
        try {
          yield* other.switch();
        } catch (error) {
          return told(error);
        }
        return 'switched';
      });
      expect(here.switch().value).toMatch(text);
      sim.hub.runCallback(() => trace(thrown(() => other.throw(new Error('x')))));
      sim.clock.advance();
      expect(log).toEqual([expect.stringContaining(text)]);
      expect(other.state).toBe('pending');
      far.destroy();
    });

    test('the result of one that main made and the hub ran belongs to main: an InvalidSwitchError where main waits', async () => {
      const g = new greenlet(() => 'result');
      spawn(function* () {
        yield* g.switch();
      });
      const waiting = sleep(10).then(() => 'woke', told);
      sim.clock.advance();
      expect(await waiting).toMatch(
        /^InvalidSwitchError \[GEVENT_INVALID_SWITCH\]: Invalid switch into main: got "result"/,
      );
    });

    test('while main waits for nothing, that result is reported, and the switcher stays where it is', () => {
      const g = new greenlet(() => 'result');
      const switcher = spawn(function* () {
        yield* g.switch();
      });
      sim.clock.advance();
      expect(sim.reports.join('')).toMatch(/GEVENT_MAIN_NOT_PARKED|main is running and did not switch away/);
      expect([g.dead, switcher.dead]).toEqual([true, false]);
    });

    test('a body that switches to a main that did not switch away hears that it cannot', () => {
      const g = spawn(function* () {
        yield* sim.hub.main.switch(1);
      });
      sim.clock.advance();
      expect(told(g.exception)).toBe(
        'GreenletError [GEVENT_MAIN_NOT_PARKED]: main is running and did not switch away, so it cannot be switched to',
      );
    });
  });

  describe('nothing is left behind', () => {
    test('ten thousand greenlets dropped in a switch are not in the core', () => {
      for (let i = 0; i < 10_000; ++i) new greenlet(echo).switch(i);
      expect(sim.hub.statistics()).toEqual(atFirst);
      for (let i = 0; i < 1000; ++i) {
        const g = new greenlet(function* (): Body {
          yield* sleep(1);
          yield* sim.hub.switch();
        }, sim.hub);
        g.switch();
      }
      expect(sim.hub.statistics()).toMatchObject({ slots: 1000, timers: 1000 });
      sim.clock.advance(1);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('ten thousand that ended, failed, were thrown into or never started neither', () => {
      for (let i = 0; i < 2500; ++i) {
        new greenlet(() => 1).switch();
        expect(() =>
          new greenlet(() => {
            throw new Error('x');
          }).switch(),
        ).toThrow('x');
        const g = new greenlet(echo);
        g.switch();
        g.throw();
        new greenlet(echo).throw();
        new greenlet(echo);
      }
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a dropped one can be collected', async () => {
      const collect = (globalThis as { gc?: () => void }).gc ?? (await exposedGc());
      const kept = (() => {
        const g = new greenlet(echo);
        g.switch();
        return new WeakRef(g);
      })();
      for (let i = 0; i < 10 && kept.deref() !== undefined; ++i) {
        await new Promise(setImmediate);
        collect();
      }
      expect(kept.deref()).toBe(undefined);
    });
  });

  test('joinall of Greenlets that talk by switches ends when they do', () => {
    const items: number[] = [];
    const consumer = spawn(function* () {
      let from: Greenlet = yield* sim.hub.switch();
      for (;;) {
        const item = yield* from.switch();
        if (item === null) return;
        items.push(item);
        from = producer;
      }
    });
    const producer: Greenlet = spawn(function* () {
      yield* sleep(0);
      yield* consumer.switch(producer);
      for (let i = 0; i < 5; ++i) yield* consumer.switch(i);
      yield* consumer.switch(null);
    });
    const end = spawn(function* () {
      yield* joinall([consumer]);
      trace('joined');
      kill(producer);
    });
    sim.clock.advance();
    expect([items, log, end.successful()]).toEqual([[0, 1, 2, 3, 4], ['joined'], true]);
    expect(sim.hub.statistics()).toEqual(atFirst);
  });
});

async function exposedGc(): Promise<() => void> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
