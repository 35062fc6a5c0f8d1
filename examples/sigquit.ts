// A program that would run for ever ends promptly and cleanly on SIGQUIT (Ctrl-\ in a terminal).
//
//     npm run example sigquit            wait for the signal
//     npm run example sigquit self       send it to itself

import { shutdown, signalHandler, sleep, spawn, spawnLater } from 'gevent-wasm';

function* runForever() {
  try {
    console.log('running');
    yield* sleep(1000);
    console.log('never printed');
  } finally {
    console.log('cleaned up');
  }
}

signalHandler('SIGQUIT', shutdown);
const thread = spawn(runForever);
if (process.argv[2] === 'self') {
  spawnLater(0.05, () => {
    process.kill(process.pid, 'SIGQUIT');
  });
}
await thread.join();
console.log(`ended: ${thread.dead}`);
