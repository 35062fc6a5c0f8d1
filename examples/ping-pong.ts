// Two raw greenlets that hand control to each other by name: no scheduler, no queue, only switch().
//
//     npm run example ping-pong [rounds [delay]]     100 rounds and 0.5 seconds unless you say otherwise

import { greenlet } from 'gevent-wasm/greenlet';

const rounds = Number(process.argv[2] ?? 100);
const delay = Number(process.argv[3] ?? 0.5);

/** Halts the whole thread, as Python's `time.sleep` does: nothing else is to run meanwhile. */
function halt(seconds: number): void {
  if (seconds > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}

// The first switch into a greenlet passes the arguments of its function; each later one is what its own switch() gives.
function* a(other: greenlet, self: greenlet) {
  for (let round = 0; round < rounds; round++) {
    console.log('---A--');
    yield* other.switch(self, other);
    halt(delay);
  }
}

function* b(other: greenlet, self: greenlet) {
  for (let round = 0; round < rounds; round++) {
    console.log('---B--');
    yield* other.switch(self, other);
    halt(delay);
  }
}

const gr1 = new greenlet(a);
const gr2 = new greenlet(b);

// Called outside any greenlet this runs at once, and returns when control is back here: `a` returns after its last
// round, and its parent, the main program, goes on. `b` is still suspended in its last switch by then.
gr1.switch(gr2, gr1);
console.log(`gr1 is ${gr1.dead ? 'dead' : 'alive'}, gr2 is ${gr2.dead ? 'dead' : 'alive'}`);
