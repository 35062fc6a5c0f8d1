// Rockets count down, each in a function of AssemblyScript that blocks as it likes, beside a greenlet of JavaScript that gives
// permission through channels. One of them is called off.
//
//     npm run example guest        compiles examples/guest/ by asc, and runs it

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { joinall, sleep, spawn } from 'gevent-wasm';
import { load } from 'gevent-wasm/guest';
import { Channel } from 'gevent-wasm/queue';

/** What `npx asc` does in a project of yours. Here the package is no dependency of itself, so it is told where to find it. */
function compile(): Buffer {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'gevent-guest-'));
  try {
    mkdirSync(join(folder, 'packages'));
    symlinkSync(root, join(folder, 'packages/gevent-wasm'), 'junction');
    const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
    const out = join(folder, 'rocket.wasm');
    execFileSync(process.execPath, [asc, '--path', join(folder, 'packages'), '--outFile', out], {
      cwd: join(root, 'examples/guest'),
      stdio: 'inherit',
    });
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const program = await load(compile(), { name: 'rocket' });
const requests = new Channel<number>();
const answers = new Channel<number>();

const rockets = [1, 2, 3].map((rocket) => program.spawn<number>('launch', rocket, rocket + 1, requests, answers));

spawn(function* () {
  yield* sleep(0.2);
  console.log('ground: rocket 2 stays');
  yield* rockets[1].kill();
});

const ground = spawn(function* () {
  for (;;) {
    const rocket = yield* requests.get();
    console.log(`ground: rocket ${rocket} asks`);
    yield* answers.put(rocket === 3 ? -rocket : rocket);
  }
});

await joinall(rockets);
await ground.kill();
for (const [i, rocket] of rockets.entries()) {
  console.log(
    `rocket ${i + 1}: ${rocket.value === 1 ? 'flies' : rocket.value === 0 ? 'has no permission' : rocket.value}`,
  );
}
