// Links are called when a greenlet has ended, in the order they were made, never before the linker gives up control.
//
//     npm run example links

import { type Greenlet, getHub, sleep, spawn } from 'gevent-wasm';

getHub().exceptionStream = null; // the second one fails on purpose; without this line that is reported on stderr

function* finish(well: boolean) {
  yield* sleep(0);
  if (!well) throw new Error('the failure');
  return 'the result';
}

const outcome = (g: Greenlet<string>): unknown => (g.successful() ? g.value : g.exception);

for (const well of [true, false]) {
  const g = spawn(finish, well);
  const removed = () => console.log('  never called: it was unlinked');

  g.rawlink((source) => console.log(`  rawlink, in the hub: ${outcome(source)}`));
  g.link(function* (source) {
    console.log(`  link, in a greenlet of its own: ${outcome(source)}`);
    yield* sleep(0);
    console.log('  which may block, while the other links go on');
  });
  g.linkValue((source) => console.log(`  linkValue, on success only: ${source.value}`));
  g.linkException((source) => console.log(`  linkException, on failure only: ${source.exception}`));
  g.link(removed);
  g.unlink(removed);

  console.log(well ? 'one that ends well:' : 'one that fails:');
  await g.join();
  await sleep(0.001);
}
