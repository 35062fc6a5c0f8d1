// Rockets count down, each in a function of WebAssembly that blocks as it likes, beside a greenlet of JavaScript. One of them
// is called off, one asks the ground for permission and gets none.
//
//     npm run example guest

import { joinall, sleep, spawn } from 'gevent-wasm';
import { blocking, load } from 'gevent-wasm/guest';

// Compiled by asc --runtime stub -O3 from:
//
//     @external("gevent", "sleep") declare function sleep(seconds: f64): void;
//     @external("ground", "report") declare function report(rocket: i32, count: i32): void;
//     @external("ground", "permission") declare function permission(rocket: i32): i32;
//
//     export function launch(rocket: i32, count: i32): i32 {
//       for (; count > 0; --count) {
//         report(rocket, count);
//         sleep(0.1);
//       }
//       return permission(rocket);
//     }
const ROCKET =
  'AGFzbQEAAAABFQRgAXwAYAJ/fwBgAX8Bf2ACf38BfwI0AwZnZXZlbnQFc2xlZXAAAAZncm91bmQGcmVwb3J0AAEGZ3JvdW5kCnBlcm1pc3Npb24AAgMCAQMFAwEAAAcTAgZsYXVuY2gAAwZtZW1vcnkCAAotASsAA0AgAUEASgRAIAAgARABRJqZmZmZmbk/EAAgAUEBayEBDAELCyAAEAIL';

async function ask(rocket: number): Promise<number> {
  await sleep(0.05);
  return rocket === 3 ? 0 : 1;
}

const program = await load(Buffer.from(ROCKET, 'base64'), {
  name: 'rocket',
  imports: {
    ground: {
      report: (rocket: number, count: number) => console.log(`rocket ${rocket}: ${count}`),
      permission: blocking(ask),
    },
  },
});

const rockets = [1, 2, 3].map((rocket) => program.spawn<number>('launch', rocket, rocket + 1));
spawn(function* () {
  yield* sleep(0.15);
  console.log('ground: rocket 2 stays');
  yield* rockets[1].kill();
});

await joinall(rockets);
for (const [i, rocket] of rockets.entries()) {
  console.log(
    `rocket ${i + 1}: ${rocket.value === 1 ? 'flies' : rocket.value === 0 ? 'has no permission' : rocket.value}`,
  );
}
