// The rules of who waits on what are written twice: ts/core/waits.ts, and asm/waits/ for guests. A core that goes by the second must
// answer what one that goes by the first answers, and leave the same in its memory after every step. GEVENT_SEED=… runs scripts again.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import { expect, test } from 'vitest';
import type { Core, NativeCore } from '../../ts/core/contract.ts';
import { RowKind, Word } from '../../ts/core/contract.ts';
import type { Waits } from '../../ts/core/waits.ts';
import { createWasmCore } from '../../ts/core/wasm-debug.ts';
import { compareCores, type Profile, randomScript, type Script, shrinkScript } from '../../ts/testing/differential.ts';

const SEED = Number(process.env.GEVENT_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`test/core/asm-waits.test.ts: GEVENT_SEED=${SEED}`);

const FOLDER = join(import.meta.dirname, '../../asm');

/** What asm/waits/index.ts exports. */
type Rules = Record<string, (...args: number[]) => number> & { partner: WebAssembly.Global };

/** The rules, compiled; `edit` plants a bug in the source of a file. */
async function compiled(edit: (name: string, text: string) => string = (_, text) => text): Promise<WebAssembly.Module> {
  let made: Uint8Array<ArrayBuffer> | null = null;
  const files = new Map(
    ['', 'waits/'].flatMap((folder) =>
      readdirSync(join(FOLDER, folder))
        .filter((name) => name.endsWith('.ts'))
        .map((name) => [folder + name, edit(folder + name, readFileSync(join(FOLDER, folder + name), 'utf8'))]),
    ),
  );
  const flags = ['--runtime', 'stub', '--importMemory', '-O2', '--noAssert'];
  const { error, stderr } = await asc.main(['waits/index.ts', '-o', 'waits.wasm', ...flags], {
    readFile: (name: string) => files.get(name) ?? null,
    writeFile: (name: string, contents: Uint8Array | string) => {
      if (name === 'waits.wasm') made = new Uint8Array(contents as Uint8Array);
    },
    listFiles: () => [],
  });
  if (error || made === null) throw new Error(`AssemblyScript: ${error?.message}\n${stderr.toString()}`);
  return new WebAssembly.Module(made);
}

type Core_ = Core & Waits;

/** A core that goes by them. */
function byRules(module: WebAssembly.Module, rows: number): Core_ {
  const core = createWasmCore({ debug: true, rows }) as Core_;
  const { memory, words, ring, LINKS, ROWS, disarm, unready } = core.native as NativeCore;
  const linked = { env: { memory }, core: { LINKS, ROWS, words, ring, disarm, unready } };
  const rules = new WebAssembly.Instance(module, linked).exports as unknown as Rules;
  return Object.assign(core, {
    park: (slot: number, row: number) => void rules.park(slot, row),
    leave: (slot: number) => rules.leave(slot) !== 0,
    wakeOne: (row: number) => rules.wakeOne(row),
    wakeAll: (row: number) => rules.wakeAll(row),
    notify: (row: number) => rules.notify(row),
    partner: () => rules.partner.value,
    eventSet: (row: number) => void rules.eventSet(row),
    eventClear: (row: number) => void rules.eventClear(row),
    eventWait: (row: number, slot: number) => rules.eventWait(row, slot),
    latchFire: (row: number) => void rules.latchFire(row),
    semAcquire: (row: number, slot: number) => rules.semAcquire(row, slot),
    semTry: (row: number) => rules.semTry(row),
    semRelease: (row: number, count: number) => rules.semRelease(row, count),
    chanPut: (row: number, slot: number) => void rules.chanPut(row, slot),
    chanGet: (row: number, slot: number) => void rules.chanGet(row, slot),
    queueItems: (row: number, items: number) => void rules.queueItems(row, items),
    queueWait: (row: number, slot: number, role: number) => void rules.queueWait(row, slot, role),
    queueStep: (row: number, role: number) => rules.queueStep(row, role),
  });
}

/** What a core has in its memory of who waits: all of the rows, of each slot what means something, and the ring. */
function written(core: Core_, slots: number): number[][] {
  const { words, ring, links, rows } = core;
  const between: number[] = [];
  for (let i = words[Word.HEAD]; i !== words[Word.TAIL]; i = (i + 1) & words[Word.MASK]) between.push(ring[i]);
  const records: number[] = [];
  for (let slot = 0; slot < slots; ++slot) {
    const [next, prev, place, pos] = links.subarray(slot * 4, slot * 4 + 4);
    records.push(...(place >= 0 ? [next, prev, place, pos] : [place, pos]));
  }
  const alive: number[] = [];
  for (let row = 0; row < core.$rowsUsed; ++row) {
    const record = rows.subarray(row * 8, row * 8 + 8);
    if (record[6] <= RowKind.QUEUE) alive.push(row, ...record);
  }
  return [between, records, alive];
}

/** A core, and another that compares its memory with that one's whenever it is verified. */
function pair(module: WebAssembly.Module, rows = 3): [Core, Core] {
  const a = createWasmCore({ debug: true, rows }) as Core_;
  const b = byRules(module, rows);
  const slotTop = () => Math.min(a.links.length, b.links.length) >> 2;
  const verify = b.verify;
  b.verify = () => {
    verify.call(b);
    const [x, y] = [written(a, slotTop()), written(b, slotTop())].map((it) => JSON.stringify(it));
    if (x !== y) throw new Error(`the memories differ:\n${x}\n${y}`);
  };
  return [a, b];
}

const differs = (module: WebAssembly.Module, script: Script, mostSlots?: number) =>
  compareCores(...pair(module), script, { verify: true, ...(mostSlots === undefined ? {} : { mostSlots }) });

const rules = compiled();

test.each<[Profile | undefined, number, number]>([
  [undefined, 200, 250],
  ['rows', 200, 250],
  ['deepRows', 60, 400],
  ['holes', 60, 400],
])(
  'asm/waits does what ts/core/waits.ts does, and leaves the same in memory: profile %s',
  async (profile, scripts, steps) => {
    const module = await rules;
    for (let i = 0; i < scripts; ++i) {
      const script = randomScript(SEED + i, steps, profile);
      if (differs(module, script) === undefined) continue;
      const shortest = shrinkScript(script, (shorter) => differs(module, shorter) !== undefined);
      const difference = differs(module, shortest);
      expect.fail(`GEVENT_SEED=${SEED}, ${difference?.message}, after ${JSON.stringify(shortest.steps)}`);
    }
  },
);

/** Planted, each in one place of asm/waits. */
const BUGS: [name: string, file: string, right: string, wrong: string][] = [
  ['a getter goes in front of the older ones', 'waits/lists.ts', 'set(r, EDGE, slot);', ''],
  [
    'one who waits leaves, and his timer stays',
    'waits/notes.ts',
    'if (get(at, POS) !== UNARMED) disarm(slot);\n  const place',
    'const place',
  ],
  [
    'a semaphore forgets that a permit was taken',
    'waits/notes.ts',
    'if (permits) set(r, VALUE',
    'if (false) set(r, VALUE',
  ],
  [
    'who parks late is not of the pass',
    'waits/notes.ts',
    'else if (get(r, NOTE) === PASS) set(r, EDGE, slot);',
    'else if (get(r, NOTE) === PASS) return;',
  ],
  ['the last waiter leaves, and the notifier stays', 'waits/notes.ts', '  unready(~row);', ''],
  [
    'the pass goes on behind all others',
    'waits/notes.ts',
    'if (slot !== edge) pushFront(~row);',
    'if (slot !== edge) push(~row);',
  ],
  [
    'an event lets one pass while others are being woken',
    'waits/flags.ts',
    'get(r, VALUE) !== 0 && get(r, NOTE) === NONE',
    'get(r, VALUE) !== 0',
  ],
  ['a release tells nobody', 'waits/flags.ts', 'if (permits > 0 && get(r, COUNT) > 0) schedule(row, PENDING);', ''],
  ['the putter runs before the getter', 'waits/channel.ts', '  return getter;', '  return putter;'],
  ['a channel counts its getters wrong', 'waits/lists.ts', 'if (get(r, KIND) === ROWKIND_CHANNEL)', 'if (false)'],
  ["a queue is always the putters' turn", 'waits/queue.ts', ' && !(canGet && get(r, NOTE) === GETS)', ''],
  ['a peek takes the item', 'waits/queue.ts', 'items - (get(slotAt(slot), PLACE) & ROLE_TAKE)', 'items - 1'],
];

test.each(BUGS)('it is noticed when %s', async (_name, file, right, wrong) => {
  let planted = false;
  const module = await compiled((name, text) => {
    if (name !== file) return text;
    planted = text.includes(right);
    return text.replace(right, wrong);
  });
  expect(planted).toBe(true);
  for (let i = 0; i < 600; ++i) if (differs(module, randomScript(SEED + i, 300)) !== undefined) return;
  expect.fail(`GEVENT_SEED=${SEED}: nobody noticed`);
});
