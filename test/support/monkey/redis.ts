// ioredis, unchanged, from greenlets.

import { once } from 'node:events';
import { Redis } from 'ioredis';
import { getcurrent, isControl, kill, sleep, spawn, Timeout } from '../../../ts/index.ts';
import { local } from '../../../ts/local.ts';
import { atOnce, fault, note, report } from './report.ts';

const path = process.env.REDIS_PATH as string;

function* main() {
  const redis = new Redis({ path, retryStrategy: () => 20, maxRetriesPerRequest: null });
  note('ping', yield* redis.ping());

  const sums = yield* atOnce(100, function* (i) {
    yield* redis.set(`key ${i}`, i);
    yield* redis.incrby(`key ${i}`, i);
    const got = yield* redis.get(`key ${i}`);
    const [[, first], [, second]] = (yield* redis.multi().incr('all').get(`key ${i}`).exec()) as [null, unknown][];
    return [Number(got), Number(second), typeof first === 'number'];
  });
  note(
    '100 at once',
    sums.every(([got, second, number], i) => got === 2 * i && second === 2 * i && number),
  );
  note('counted', yield* redis.get('all'));

  try {
    yield* redis.call('no-such-command');
  } catch (error) {
    note('an error of the server', (error as Error).name);
  }

  // A command that blocks there: whoever is killed or timed out leaves, the connection stays as it is and in step.
  const blocking = redis.duplicate();
  const waiting = spawn(function* () {
    yield* blocking.blpop('list', 0);
  });
  yield* sleep(0.05);
  yield* waiting.kill();
  note('killed', isControl(waiting.value));
  const late = spawn(function* () {
    return yield* blocking.ping('in step');
  });
  try {
    using _ = Timeout.startNew(0.05);
    yield* late.get();
  } catch (error) {
    note('behind the command that blocks', fault(error));
  }
  yield* redis.rpush('list', 'for nobody');
  note('then', yield* late.get());
  try {
    using _ = Timeout.startNew(0.05);
    yield* blocking.brpop('list', 1);
  } catch (error) {
    note('timed out', fault(error));
  }
  note('in step again', yield* blocking.echo('yes'));

  // 50 of 100 are killed while all of them wait for answers, which take their time; the others get theirs.
  yield* redis.client('PAUSE', 100);
  const greenlets = Array.from({ length: 100 }, (_, i) =>
    spawn(function* () {
      return (yield* redis.echo(String(i))) === String(i);
    }),
  );
  yield* sleep(0);
  for (let i = 0; i < 100; i += 2) kill(greenlets[i]);
  const answers: unknown[] = [];
  for (const g of greenlets) {
    yield* g.join();
    answers.push(isControl(g.value) ? 'killed' : g.value);
  }
  note('half of them killed', [answers.filter((a) => a === 'killed').length, answers.filter((a) => a === true).length]);

  // Published messages, as events.
  const subscriber = redis.duplicate();
  yield* subscriber.subscribe('news');
  const heard = spawn(function* () {
    const mine = new local() as { channel?: string };
    mine.channel = 'news';
    const me = getcurrent();
    const [channel, text] = yield* once(subscriber, 'message');
    return [channel === mine.channel, text, getcurrent() === me];
  });
  yield* sleep(0);
  yield* redis.publish('news', 'hello');
  note('published', yield* heard.get());

  // It is thrown out, and comes back by its own timer.
  const id = yield* redis.client('ID');
  const again = once(redis, 'ready');
  yield* subscriber.quit();
  const admin = redis.duplicate();
  yield* admin.call('CLIENT', 'KILL', 'ID', String(id));
  yield* again;
  note('reconnected', (yield* redis.client('ID')) !== id && (yield* redis.ping()));

  const limited = redis.duplicate({ commandTimeout: 50 });
  try {
    yield* limited.blpop('nothing', 0);
  } catch (error) {
    note('its own timeout', fault(error));
  }
  limited.disconnect();
  for (const client of [redis, blocking, admin]) yield* client.quit();
}

await report(main);
