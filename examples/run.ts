// Runs the short examples one after the other, each in a process of its own. Ends with the name of the first that fails.
//
//     npm run example

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const EXAMPLES: [name: string, ...args: string[]][] = [
  ['subclass'],
  ['ping-pong', '3', '0'],
  ['timeout', '0.05'],
  ['sigquit', 'self'],
  ['states'],
  ['determinism'],
  ['links'],
  ['threads'],
  ['control'],
  ['trace'],
  ['monkey'],
  ['guest'],
];

for (const [name, ...args] of EXAMPLES) {
  console.log(`\n-- ${[name, ...args].join(' ')}`);
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const { status, signal, error } = spawnSync(process.execPath, [...process.execArgv, file, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 20_000,
  });
  if (status !== 0) {
    console.error(
      `example ${name} failed: ${error?.message ?? (signal ? `ended by ${signal}` : `exit code ${status}`)}`,
    );
    process.exit(1);
  }
}
console.log(`\n${EXAMPLES.length} examples ran`);
