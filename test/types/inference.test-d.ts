// What the compiler must know, checked by `tsc`: `yield*` and `await` give the same type; mistakes do not compile. Never run.

import { expectTypeOf } from 'vitest';
import type { GreenletError } from '../../ts/exceptions.ts';
import { greenlet, type SwitchOperation } from '../../ts/greenlet.ts';
import {
  type ControlException,
  call,
  defer,
  Greenlet,
  getcurrent,
  getHub,
  idle,
  isControl,
  iwait,
  joinall,
  kill,
  killall,
  type Operation,
  type Park,
  run,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
  until,
  use,
  wait,
  withTimeout,
} from '../../ts/index.ts';

type Body<T> = Generator<Park, T, any>;

function* twice(x: number): Body<number> {
  yield* sleep(1);
  return x * 2;
}

async function shout(text: string): Promise<string> {
  await sleep(1);
  return text.toUpperCase();
}

function plain(flag: boolean, list: string[] = []): string[] {
  return flag ? list : [];
}

declare const promise: Promise<Date>;
declare const resource: { close(): void; size: number };

// ---- yield* ---------------------------------------------------------------------------------------------------------

spawn(function* () {
  expectTypeOf(yield* sleep(1)).toEqualTypeOf<void>();
  expectTypeOf(yield* idle()).toEqualTypeOf<void>();
  expectTypeOf(yield* until(promise)).toEqualTypeOf<Date>();
  expectTypeOf(yield* call(twice, 1)).toEqualTypeOf<number>();
  expectTypeOf(yield* spawn(twice, 1).get()).toEqualTypeOf<number>();
  expectTypeOf(yield* spawn(twice, 1).join()).toEqualTypeOf<void>();
  expectTypeOf(yield* spawn(twice, 1).kill()).toEqualTypeOf<void>();
  expectTypeOf(yield* joinall([spawn(twice, 1)])).toEqualTypeOf<Greenlet<number>[]>();
  expectTypeOf(yield* killall([spawn(twice, 1)])).toEqualTypeOf<void>();
  expectTypeOf(yield* wait([spawn(shout, '')])).toEqualTypeOf<Greenlet<string>[]>();
  expectTypeOf(yield* wait()).toEqualTypeOf<boolean>();
  expectTypeOf(yield* getHub().join()).toEqualTypeOf<boolean>();
  expectTypeOf(yield* withTimeout(1, twice, 1)).toEqualTypeOf<number>();
  expectTypeOf(yield* withTimeout(1, shout, '')).toEqualTypeOf<string>();
  expectTypeOf(yield* withTimeout(1, plain, true)).toEqualTypeOf<string[]>();
  expectTypeOf(yield* withTimeout(1, () => until(promise))).toEqualTypeOf<Date>();
  expectTypeOf(yield* withTimeout({ seconds: 1, timeoutValue: null }, twice, 1)).toEqualTypeOf<number | null>();
  expectTypeOf(yield* defer(() => {})).toEqualTypeOf<void>();
  expectTypeOf(yield* use(resource)).toEqualTypeOf<typeof resource>();
  expectTypeOf(yield* iwait([spawn(twice, 1)]).next()).toEqualTypeOf<IteratorResult<Greenlet<number>, undefined>>();
  expectTypeOf(yield* new greenlet(twice).switch(1)).toBeAny();
  expectTypeOf(yield* twice(1)).toEqualTypeOf<number>();
});

// ---- await ----------------------------------------------------------------------------------------------------------

spawn(async () => {
  expectTypeOf(await sleep(1)).toEqualTypeOf<void>();
  expectTypeOf(await idle()).toEqualTypeOf<void>();
  expectTypeOf(await until(promise)).toEqualTypeOf<Date>();
  expectTypeOf(await spawn(twice, 1).get()).toEqualTypeOf<number>();
  expectTypeOf(await spawn(twice, 1).join()).toEqualTypeOf<void>();
  expectTypeOf(await joinall([spawn(twice, 1)])).toEqualTypeOf<Greenlet<number>[]>();
  expectTypeOf(await joinall(new Set([spawn(shout, '')]))).toEqualTypeOf<Greenlet<string>[]>();
  expectTypeOf(await wait([spawn(shout, '')], { count: 1, timeout: 2 })).toEqualTypeOf<Greenlet<string>[]>();
  expectTypeOf(await wait()).toEqualTypeOf<boolean>();
  expectTypeOf(await withTimeout(1, twice, 1)).toEqualTypeOf<number>();
  expectTypeOf(await withTimeout(new Timeout(1), shout, '')).toEqualTypeOf<string>();
  expectTypeOf(await withTimeout({ seconds: 1, timeoutValue: 'x' }, twice, 1)).toEqualTypeOf<number | string>();
  expectTypeOf(await use(resource)).toEqualTypeOf<typeof resource>();
  expectTypeOf(await run(twice, 1)).toEqualTypeOf<number>();
  expectTypeOf(await run(shout, '')).toEqualTypeOf<string>();
  for await (const done of iwait([spawn(twice, 1)])) expectTypeOf(done).toEqualTypeOf<Greenlet<number>>();
  const [a, b] = await Promise.all([spawn(twice, 1).get(), sleep(1)]);
  expectTypeOf(a).toEqualTypeOf<number>();
  expectTypeOf(b).toEqualTypeOf<void>();
});

sleep(1)
  .then(() => 1)
  .then((x) => expectTypeOf(x).toEqualTypeOf<number>());
sleep(1)
  .then(() => 1)
  .catch(() => 'text')
  .then((x) => expectTypeOf(x).toEqualTypeOf<number | string>());
sleep(1)
  .then(() => 1)
  .finally(() => {})
  .then((x) => expectTypeOf(x).toEqualTypeOf<number>());

// ---- spawn ----------------------------------------------------------------------------------------------------------

expectTypeOf(spawn(twice, 1)).toEqualTypeOf<Greenlet<number>>();
expectTypeOf(spawn(shout, '')).toEqualTypeOf<Greenlet<string>>();
expectTypeOf(spawn(plain, true)).toEqualTypeOf<Greenlet<string[]>>();
expectTypeOf(spawn(plain, true, ['x'])).toEqualTypeOf<Greenlet<string[]>>();
expectTypeOf(spawn(() => {})).toEqualTypeOf<Greenlet<void>>();
expectTypeOf(spawn(() => promise)).toEqualTypeOf<Greenlet<Date>>();
expectTypeOf(spawn(function* () {})).toEqualTypeOf<Greenlet<void>>();
expectTypeOf(spawn(twice, 1).value).toEqualTypeOf<number | undefined>();
expectTypeOf(spawnLater(1, twice, 1)).toEqualTypeOf<Greenlet<number>>();
expectTypeOf(spawnLater(1, shout, '')).toEqualTypeOf<Greenlet<string>>();
expectTypeOf(Greenlet.spawn(twice, 1)).toEqualTypeOf<Greenlet<number>>();
expectTypeOf(Greenlet.spawnLater(1, plain, true)).toEqualTypeOf<Greenlet<string[]>>();
expectTypeOf(getHub().spawn(twice, 1)).toEqualTypeOf<Greenlet<number>>();
expectTypeOf(getHub().spawn(shout, '')).toEqualTypeOf<Greenlet<string>>();
expectTypeOf(spawnRaw(twice, 1)).toEqualTypeOf<greenlet>();
expectTypeOf(new greenlet(twice).switch(1)).toEqualTypeOf<SwitchOperation>();
expectTypeOf(getcurrent()).toEqualTypeOf<greenlet>();

// A Greenlet is neither awaited nor iterated by mistake: join() and get() are the operations.
spawn(async () => {
  expectTypeOf(await spawn(twice, 1)).toEqualTypeOf<Greenlet<number>>();
});
spawn(function* () {
  // @ts-expect-error a Greenlet is no operation
  yield* spawn(twice, 1);
});

// ---- a forgotten star -----------------------------------------------------------------------------------------------

// @ts-expect-error yield without star
spawn(function* () {
  yield sleep(1);
});
// @ts-expect-error yield without star among others
spawn(function* () {
  yield* sleep(1);
  yield spawn(twice, 1).get();
  return 1;
});
// @ts-expect-error yield without star, in a function with arguments
spawn(function* (seconds: number) {
  yield sleep(seconds);
}, 1);
// @ts-expect-error yield of something else
spawn(function* () {
  yield 42;
});
// @ts-expect-error yield of a promise
spawn(function* () {
  yield promise;
});
// @ts-expect-error the same when it starts later
spawnLater(1, function* () {
  yield sleep(1);
});
// @ts-expect-error and for a promise
void run(function* () {
  yield sleep(1);
});
// @ts-expect-error and in a frame
call(function* () {
  yield sleep(1);
});
// @ts-expect-error and under a limit
withTimeout(1, function* () {
  yield sleep(1);
});
function* annotated(): Body<void> {
  // @ts-expect-error where the body says what it is
  yield sleep(1);
}
spawn(annotated);

// ---- wrong arguments ------------------------------------------------------------------------------------------------

// @ts-expect-error a string for a number
spawn(twice, '1');
// @ts-expect-error an argument is missing
spawn(twice);
// @ts-expect-error one too many
spawn(twice, 1, 2);
// @ts-expect-error a number for a string
spawn(shout, 1);
// @ts-expect-error the second is wrong
spawn(plain, true, [1]);
// @ts-expect-error no function
spawn(42);
// @ts-expect-error no seconds
spawnLater(twice, 1);
// @ts-expect-error a string for a number
spawnLater(1, twice, '1');
// @ts-expect-error a string for a number
call(twice, '1');
// @ts-expect-error a plain function is no frame
call(plain, true);
// @ts-expect-error a string for a number
withTimeout(1, twice, '1');
// @ts-expect-error text is no time
sleep('1');
// @ts-expect-error no promise
until(42);
// @ts-expect-error nothing to dispose of
use({});
// @ts-expect-error no function
defer(42);
// @ts-expect-error no greenlets
joinall([promise]);
// @ts-expect-error no greenlet
kill(promise);
// @ts-expect-error a misspelt option
spawn(twice, 1).join({ seconds: 1 });
// @ts-expect-error an option of get(), not of join()
spawn(twice, 1).join({ block: false });
// @ts-expect-error a string for a number
void run(twice, '1');

// ---- the rest -------------------------------------------------------------------------------------------------------

declare const caught: unknown;
if (isControl(caught)) expectTypeOf(caught).toEqualTypeOf<ControlException>();
expectTypeOf<InstanceType<typeof greenlet.error>>().toEqualTypeOf<GreenletError>();
expectTypeOf(sleep(1)).toExtend<Operation<void>>();
expectTypeOf(sleep(1)).toExtend<PromiseLike<void>>();
// @ts-expect-error what an operation yields is made by this library alone
const _park: Park = {};

// ---- by other ways in -----------------------------------------------------------------------------------------------

getHub().spawn(
  // @ts-expect-error a star is missing
  function* () {
    yield sleep(1);
  },
);
spawnRaw(
  // @ts-expect-error a star is missing
  function* () {
    yield sleep(1);
  },
);

/** A subclass may define what it runs. */
export class Runs extends greenlet {
  override run(x: number): number {
    return x;
  }
}
