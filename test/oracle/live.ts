// Scenarios with real sockets: the real clock on both sides, and a unit of time that can be made longer.

import { replaceThreadHub } from '../../ts/hub/current.ts';
import { Hub } from '../../ts/hub.ts';
import { sleep, spawn } from '../../ts/index.ts';
import type { HTTPServer } from '../../ts/net/http.ts';
import * as S from '../../ts/net/socket.ts';
import { type CoreName, smallCore } from '../support/cores.ts';
import { leftIn } from '../support/worlds.ts';
import { type Log, type ScenarioBody, shown, told } from './scenario.ts';

type Body<R = any> = Generator<any, R, any>;

/** Seconds that `T` stands for in scenarios of this kind. */
export let T = 0.02;

/** Run our side. @param unit - seconds of `T` */
export async function live(core: CoreName, body: ScenarioBody, unit: number): Promise<string[]> {
  T = unit;
  const hub = new Hub({ core: smallCore(core) });
  const before = replaceThreadHub(hub);
  const lines: string[] = [];
  const log: Log = (...what) => void lines.push(what.map(shown).join(' '));
  hub.printException = (_context, error) => log('reported', error);
  try {
    const work = hub.spawn(body as (log: Log) => Body, log);
    if ((await work.join({ timeout: 20 })) === undefined && !work.ready()) log('hangs');
    for (let i = 0; i < 100 && Object.keys(leftIn(hub)).length > 0; ++i) await sleep(0.01);
    const left = leftIn(hub);
    if (Object.keys(left).length > 0) log('left', JSON.stringify(left));
    hub.core.verify();
    return [...lines];
  } finally {
    hub.destroy();
    replaceThreadHub(before);
  }
}

/** Two TCP sockets connected to each other. */
export function* pair(): Body<[S.socket, S.socket]> {
  const listener = new S.socket();
  yield* listener.bind(['127.0.0.1', 0]);
  yield* listener.listen(1);
  const one = yield* S.createConnection(listener.getsockname());
  const [two] = yield* listener.accept();
  listener.close();
  return [one, two];
}

/** All that comes until the end of the stream, or an error. */
export function* allOf(socket: S.socket): Body {
  const parts: Buffer[] = [];
  for (;;) {
    const data = yield* told(() => socket.recv(65536));
    if (data instanceof Error) return [...parts, data];
    if (data.length === 0) return Buffer.concat(parts);
    parts.push(data);
  }
}

/** What an HTTPServer answers to bytes, sent piece by piece, until it closes; a number is a pause, null the end. */
export function* talk(server: HTTPServer, ...pieces: (string | number | null)[]): Body<string> {
  const socket = yield* S.createConnection(['127.0.0.1', server.serverPort as number]);
  socket.settimeout(2);
  const parts: Buffer[] = [];
  const receiver = spawn(function* () {
    for (;;) {
      const data = yield* told(() => socket.recv());
      if (data instanceof Error) return void parts.push(Buffer.from(`<${shown(data)}>`));
      if (data.length === 0) return;
      parts.push(data);
    }
  });
  for (const piece of pieces) {
    if (piece === null) socket.shutdown(S.SHUT_WR);
    else if (typeof piece === 'number') yield* sleep(piece);
    else if ((yield* told(() => socket.sendall(Buffer.from(piece, 'latin1')))) instanceof Error) break;
  }
  yield* receiver.join();
  socket.close();
  return `http ${JSON.stringify(Buffer.concat(parts).toString('latin1'))}`;
}

/** Headers that tell nothing of how a message is read, or are said by one side and meant by both. */
const OMITTED = /^(?:date|server|keep-alive|content-type|connection): /i;

/** A line of a trace, with what may differ in HTTP's letters taken out: `200 length=5 hello | 400 closed`. */
export function normal(line: string): string {
  const at = line.indexOf('http "');
  if (at < 0) return line;
  let text: string = JSON.parse(line.slice(at + 5));
  const told: string[] = [];
  while (text !== '') {
    const head = /^HTTP\/1\.[01] (\d+)[^\r]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(text);
    if (head === null) {
      told.push(text);
      break;
    }
    text = text.slice(head[0].length);
    const [, status, all] = head;
    const headers = all.split('\r\n').filter((header) => header !== '' && !OMITTED.test(header));
    const length = /^content-length: (\d+)/im.exec(all);
    const names = headers.filter((header) => !/^(?:content-length|transfer-encoding): /i.test(header));
    const parts = [status, ...names.map((header) => header.toLowerCase())];
    if (/^transfer-encoding: chunked/im.test(all)) {
      parts.push('chunked');
      let body = '';
      for (;;) {
        const chunk = /^([0-9a-f]+)\r\n/i.exec(text);
        if (chunk === null) {
          body += '…';
          break;
        }
        const size = Number.parseInt(chunk[1], 16);
        text = text.slice(chunk[0].length);
        body += text.slice(0, size);
        text = text.slice(size + 2);
        if (size === 0) break;
      }
      parts.push(body);
    } else if (length !== null) {
      // The texts of errors are each side's own.
      const size = Number(length[1]);
      if (Number(status) < 400) parts.push(`length=${size}`, text.slice(0, size));
      text = /^HTTP/.test(text) ? text : text.slice(size);
    } else if (!/^1|^204|^304/.test(status)) {
      parts.push('to the end', text);
      text = '';
    }
    told.push(parts.filter((part) => part !== '').join(' '));
  }
  return `${line.slice(0, at)}${told.join(' | ')}`;
}
