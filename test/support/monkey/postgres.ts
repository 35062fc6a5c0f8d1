// pg, unchanged, from greenlets: a client, a pool, transactions, notifications.

import { once } from 'node:events';
import pg from 'pg';
import { isControl, killall, run, sleep, spawn, Timeout, until } from '../../../ts/index.ts';
import { atOnce, fault, note, report } from './report.ts';

function* main() {
  const client = new pg.Client();
  yield* client.connect();
  note('select', (yield* client.query('select 1 + 1 as two')).rows);
  yield* client.query('create table account (id int primary key, amount int not null)');
  yield* client.query('insert into account select i, 100 from generate_series(1, 10) i');
  try {
    yield* client.query('select * from nowhere');
  } catch (error) {
    note('an error of the server', (error as { code?: string }).code);
  }

  // Whoever is timed out or killed leaves; the query ends in its own time, and the connection is in step.
  const began = performance.now();
  try {
    using _ = Timeout.startNew(0.05);
    yield* client.query('select pg_sleep(0.4)');
  } catch (error) {
    note('timed out', fault(error));
  }
  const left = performance.now() - began < 350;
  note('the next one has its own answer', [left, (yield* client.query("select 'mine' as x")).rows[0].x]);
  note('and came behind', performance.now() - began >= 390);
  const killed = spawn(function* () {
    yield* client.query('select pg_sleep(0.2)');
  });
  yield* sleep(0.02);
  yield* killed.kill();
  note('killed', [isControl(killed.value), (yield* client.query('select 3 as x')).rows[0].x]);

  // Cancelled by the server, at another client's wish.
  const { pid } = (yield* client.query('select pg_backend_pid() as pid')).rows[0];
  const long = spawn(function* () {
    try {
      return (yield* client.query('select pg_sleep(60)')).rowCount;
    } catch (error) {
      return (error as { code?: string }).code;
    }
  });
  yield* sleep(0.05);
  const other = new pg.Client();
  yield* other.connect();
  yield* other.query('select pg_cancel_backend($1)', [pid]);
  note('cancelled', yield* long.get());

  const pool = new pg.Pool({ max: 10, idleTimeoutMillis: 50, connectionTimeoutMillis: 20_000 });
  // Not its business to end: what a pool says of a client that was thrown out.
  pool.on('error', () => {});
  const moved = yield* atOnce(100, function* (i) {
    const one = yield* pool.connect();
    try {
      yield* one.query('begin');
      // In order, lest they wait for each other in a circle.
      yield* one.query('update account set amount = amount - 1 where id = $1', [(i % 5) + 1]);
      yield* one.query('update account set amount = amount + 1 where id = $1', [(i % 5) + 6]);
      yield* one.query('commit');
      return (yield* one.query('select $1::int as x', [i])).rows[0].x;
    } finally {
      one.release();
    }
  });
  note(
    '100 at once, 10 clients',
    moved.every((x, i) => x === i),
  );
  note('moved', (yield* client.query('select array_agg(amount order by id) as a from account')).rows[0].a);
  note('clients', pool.totalCount <= 10);

  // Killed in the middle of a transaction: rolled back by its own finally, the client goes back usable. Half of them still wait for
  // a client, and give it back when it comes.
  const cut = Array.from({ length: 20 }, (_, i) =>
    spawn(function* () {
      const one = yield* until(pool.connect(), { late: (client) => client.release() });
      let done = false;
      try {
        yield* one.query('begin');
        yield* one.query('update account set amount = 0 where id = $1', [(i % 10) + 1]);
        yield* one.query('select pg_sleep(0.3)');
        yield* one.query('commit');
        done = true;
      } finally {
        if (!done) yield* one.query('rollback');
        one.release();
      }
    }),
  );
  yield* sleep(0.15);
  yield* killall(cut);
  note(
    'killed in transactions',
    cut.every((g) => isControl(g.value)),
  );
  note('rolled back', (yield* pool.query('select sum(amount)::int as sum from account')).rows[0].sum);

  // Async code in the same program.
  const values = yield* atOnce(20, function* (i) {
    return yield* run(async () => (await pool.query('select $1::int as x', [i])).rows[0].x as number);
  });
  note(
    'async functions',
    values.every((x, i) => x === i),
  );

  // The pool's own timers: clients end when they were idle, and nobody waits for one for ever.
  while (pool.totalCount > 0) yield* sleep(0.01);
  note('idle ones ended', pool.totalCount);
  const small = new pg.Pool({ max: 1, connectionTimeoutMillis: 50 });
  const only = yield* small.connect();
  try {
    yield* small.connect();
  } catch (error) {
    note("the pool's timeout", (error as Error).message);
  }
  only.release();

  yield* other.query('listen news');
  const heard = once(other, 'notification');
  yield* client.query("notify news, 'hello'");
  note('notified', (yield* heard)[0].payload);
  for (const each of [small, pool, client, other]) yield* each.end();
}

await report(main);
