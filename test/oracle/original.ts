// The original: Debian's python3-gevent, run in a process of its own. Texts go to side.py in one batch.

import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Text {
  /** Python, the body of a function. */
  text: string;
  /** Run it in the main greenlet instead of a spawned one. */
  main?: boolean;
}

export type Answer = { lines: string[]; error?: undefined } | { error: string; lines?: undefined };

const SIDE = fileURLToPath(new URL('side.py', import.meta.url));
/** Set in CI: there the comparison must not be left out. */
const REQUIRED = process.env.GEVENT_ORACLE === 'required';

export const python = [process.env.GEVENT_PYTHON, '/usr/bin/python3', 'python3'].find(
  (name) => name !== undefined && spawnSync(name, ['-c', 'import gevent'], { timeout: 20_000 }).status === 0,
);

/** Why there is nothing to compare with; empty if there is. */
export const missing =
  python === undefined ? 'no Python with gevent: apt-get install python3-gevent, or name one in GEVENT_PYTHON' : '';
/** Tests are to be skipped, not to fail. */
export const skipped = missing !== '' && !REQUIRED;
if (skipped) console.warn(`test/oracle: skipped, ${missing}`);

/**
 * What gevent's side logged, text by text.
 * @param options.unit - seconds that `T` stands for
 * @param options.each - how many texts share a process and its hub
 * @param options.distinct - no two deadlines are equal: each start of a timer reads the clock
 */
export async function original(
  texts: readonly Text[],
  { unit = 0.01, each = 1, distinct = false } = {},
): Promise<Answer[]> {
  if (python === undefined) throw new Error(missing);
  const child = spawn(python, [SIDE], { stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => (stdout += data));
  child.stderr.setEncoding('utf8').on('data', (data: string) => (stderr += data));
  child.stdin.end(JSON.stringify({ texts, unit, each, distinct }));
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const answers = stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Answer);
  if (code !== 0 || answers.length !== texts.length) {
    throw new Error(`side.py ended with ${code} after ${answers.length} of ${texts.length} texts:\n${stderr}`);
  }
  return answers;
}
