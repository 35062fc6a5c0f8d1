#!/usr/bin/env node
// The executable `gevent-wasm`. Each command is loaded by itself: what patches must come before all else.

import { readFileSync, writeFileSync } from 'node:fs';

const [name, ...rest] = process.argv.slice(2);
if (name === 'monkey') {
  const { main } = await import('../sys/monkey.ts');
  const code = await main(rest);
  // The script may have set one.
  if (code !== 0) process.exitCode = code;
} else {
  const { command } = await import('./command.ts');
  process.exitCode = await command(process.argv.slice(2), {
    read: (path) => new Uint8Array(readFileSync(path)),
    write: writeFileSync,
    print: (text) => void process.stdout.write(text),
    warn: (text) => void process.stderr.write(text),
    version: () => JSON.parse(readFileSync(new URL(import.meta.resolve('gevent-wasm/package.json')), 'utf8')).version,
  });
}
