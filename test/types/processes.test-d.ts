// What the options of a process say about its pipes, statically. Checked by tsc, never run.

import type { Buffer } from 'node:buffer';
import { expectTypeOf } from 'vitest';
import { FileObject } from '../../ts/sys/fileobject.ts';
import { checkOutput, DEVNULL, PIPE, Popen, type PopenOptions, run } from '../../ts/sys/subprocess.ts';

export async function pipes(options: PopenOptions): Promise<void> {
  const text = new Popen('x', { stdin: PIPE, stdout: PIPE, text: true });
  expectTypeOf(await text.stdout.readline()).toEqualTypeOf<string>();
  expectTypeOf(await text.communicate('x')).toEqualTypeOf<[stdout: string, stderr: string | null]>();
  await text.stdin.write('x');
  // @ts-expect-error nobody asked for it
  text.stderr.read();
  const bytes = new Popen(['x'], { stdout: PIPE, stderr: DEVNULL });
  expectTypeOf(await bytes.stdout.read()).toEqualTypeOf<Buffer>();
  // @ts-expect-error not a pipe
  bytes.stderr.read();
  const any: Popen = new Popen(['x'], options);
  // @ts-expect-error perhaps a pipe
  any.stdout.read();
  const done = await run('x', { captureOutput: true, encoding: 'latin1' });
  expectTypeOf(done.stdout).toEqualTypeOf<string>();
  expectTypeOf((await run('x')).stdout).toEqualTypeOf<Buffer | null>();
  expectTypeOf(await checkOutput('x', { text: true })).toEqualTypeOf<string>();
  expectTypeOf(await checkOutput('x', { input: 'y' })).toEqualTypeOf<Buffer>();
  // @ts-expect-error no such option
  new Popen('x', { preexecFn: () => 1 });
}

export async function files(): Promise<void> {
  expectTypeOf(await new FileObject('x').readline()).toEqualTypeOf<string>();
  expectTypeOf(await new FileObject('x', 'r+b').read(1)).toEqualTypeOf<Buffer>();
}
