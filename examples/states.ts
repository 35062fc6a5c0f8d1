// The states of a greenlet, from its making to its three kinds of end.
//
//     npm run example states

import { Greenlet, getHub, sleep } from 'gevent-wasm';

getHub().exceptionStream = null; // the failure below is on purpose; without this line it is reported on stderr

function show(when: string, g: Greenlet<unknown>): void {
  const value = g.value instanceof Error ? g.value.name : g.value;
  console.log(
    when.padEnd(20),
    `started ${g.started}`.padEnd(14),
    `ready ${g.ready()}`.padEnd(12),
    `successful ${g.successful()}`.padEnd(17),
    `value ${value}`.padEnd(19),
    `exception ${g.exception}`,
  );
}

function* succeed() {
  yield* sleep(0);
  return 42;
}

function* waitLong() {
  yield* sleep(60);
}

function* fail() {
  throw new RangeError('no luck');
}

const good = new Greenlet(succeed);
show('created', good);
good.start();
show('start() called', good);
await sleep(0);
show('suspended', good);
await good.join();
show('returned', good);

const bad = Greenlet.spawn(fail);
await bad.join();
show('raised', bad);
try {
  await bad.get();
} catch (error) {
  console.log(`get() throws the very exception: ${error === bad.exception}`);
}

const victim = Greenlet.spawn(waitLong);
await sleep(0);
await victim.kill();
show('killed', victim);

const early = new Greenlet(succeed);
await early.kill();
show('killed before start', early);
early.start(); // ignored: it has ended
show('started after that', early);
