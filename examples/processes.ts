// Child processes and files in plain sequence: a filter, a pipeline, several at once, one that is too slow, and a log that is followed.

import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, spawn } from 'gevent-wasm';
import { FileObject } from 'gevent-wasm/fileobject';
import { Pool } from 'gevent-wasm/pool';
import { checkOutput, PIPE, Popen, run, TimeoutExpired } from 'gevent-wasm/subprocess';

type Body<T = void> = Generator<any, T, any>;

function* filter(): Body {
  const p = new Popen(['sort', '-n'], { stdin: PIPE, stdout: PIPE, text: true });
  const [sorted] = yield* p.communicate('3\n1\n2\n');
  console.log(`sorted: ${sorted.trim().split('\n')}`);
}

function* pipeline(): Body {
  const numbers = new Popen(['seq', '100'], { stdout: PIPE });
  const nines = new Popen(['grep', '9'], { stdin: numbers.stdout, stdout: PIPE, text: true });
  numbers.stdout.close(); // theirs alone now
  const [found] = yield* nines.communicate();
  console.log(`with a nine: ${found.trim().split('\n').length}`);
}

function* several(): Body {
  const pool = new Pool(3);
  const work = function* (n: number): Body<string> {
    const text = yield* checkOutput(`sleep 0.0${5 - n}; echo ${n * n}`, { shell: true, text: true });
    return text.trim();
  };
  console.log(`squares, in order: ${yield* pool.map(work, [1, 2, 3, 4])}`);
}

function* tooSlow(): Body {
  try {
    yield* run('echo begun; exec sleep 60', { shell: true, stdout: PIPE, text: true, timeout: 1 });
  } catch (error) {
    if (!(error instanceof TimeoutExpired)) throw error;
    console.log(`killed after ${error.timeout} seconds, had said: ${String(error.output).trim()}`);
  }
}

/** What a child appends to a file is read as it comes. */
function* follow(): Body {
  const path = join(tmpdir(), `gevent-wasm-example-${process.pid}.log`);
  const log = new FileObject(path, 'w+');
  try {
    const writer = spawn(() => run(`for i in 1 2 3; do echo entry $i >>${path}; sleep 0.05; done`, { shell: true }));
    for (let seen = 0; seen < 3; ) {
      const line = yield* log.readline();
      if (line === '') yield* sleep(0.01);
      else {
        ++seen;
        console.log(`log: ${line.trim()}`);
      }
    }
    yield* writer.get();
  } finally {
    log.close();
    rmSync(path);
  }
}

const main = spawn(function* () {
  yield* filter();
  yield* pipeline();
  yield* several();
  yield* tooSlow();
  yield* follow();
});
await main.get();
