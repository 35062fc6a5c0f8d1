#!/usr/bin/env node
// The executable `gevent-wasm`.

import { readFileSync, writeFileSync } from 'node:fs';
import { command } from './command.ts';

process.exitCode = await command(process.argv.slice(2), {
  read: (path) => new Uint8Array(readFileSync(path)),
  write: writeFileSync,
  print: (text) => void process.stdout.write(text),
});
