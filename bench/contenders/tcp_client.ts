// The client of tcp.ts, a program: reads `work port n total`, answers `count nanoseconds`.

import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const MESSAGE = Buffer.alloc(64, 'x');
const buffer = new Uint8Array(65536);

interface Line {
  socket: Socket;
  got: (bytes: number) => void;
}

function open(port: number): Promise<Line> {
  return new Promise((resolve, reject) => {
    const line = {} as Line;
    line.socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer,
        callback(bytes) {
          line.got(bytes);
          return true;
        },
      },
    });
    line.socket.once('connect', () => resolve(line));
    line.socket.once('error', reject);
  });
}

const lines: Line[] = [];

async function echo(port: number, n: number, total: number): Promise<[number, number]> {
  while (lines.length < n) lines.push(await open(port));
  let begun = 0;
  let done = 0;
  const start = process.hrtime.bigint();
  await new Promise<void>((resolve) => {
    for (const line of lines) {
      let missing = 0;
      const next = () => {
        if (begun === total) return;
        ++begun;
        missing = MESSAGE.length;
        line.socket.write(MESSAGE);
      };
      line.got = (bytes) => {
        missing -= bytes;
        if (missing > 0) return;
        if (++done === total) resolve();
        else next();
      };
      next();
    }
  });
  return [done, Number(process.hrtime.bigint() - start)];
}

async function connections(port: number, n: number, total: number): Promise<[number, number]> {
  let begun = 0;
  let done = 0;
  const one = async () => {
    while (begun++ < total) {
      const line = await open(port);
      await new Promise<void>((resolve) => {
        let missing = MESSAGE.length;
        line.got = (bytes) => {
          missing -= bytes;
          if (missing === 0) line.socket.end();
        };
        line.socket.once('close', resolve);
        line.socket.write(MESSAGE);
      });
      ++done;
    }
  };
  const start = process.hrtime.bigint();
  await Promise.all(Array.from({ length: n }, one));
  return [done, Number(process.hrtime.bigint() - start)];
}

async function receive(port: number, total: number): Promise<[number, number]> {
  const start = process.hrtime.bigint();
  let got = 0;
  await new Promise<void>((resolve, reject) => {
    open(port).then((line) => {
      line.got = (bytes) => {
        got += bytes;
      };
      line.socket.once('close', () => resolve());
    }, reject);
  });
  return [got === total * 1024 ? total : 0, Number(process.hrtime.bigint() - start)];
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [work, ...numbers] = line.split(' ');
  const [port, n, total] = numbers.map(Number);
  const [count, ns] =
    work === 'echo'
      ? await echo(port, n, total)
      : work === 'connect'
        ? await connections(port, n, total)
        : await receive(port, total);
  console.log(`${count} ${ns}`);
});
process.stdin.on('end', () => process.exit(0));
