// Random programs: a small tree of statements that is written out twice, for gevent and for this library, and run on both. Every
// statement logs what it gave, so that the trace is the whole story.
//
// No statement lets real time pass. A timeout of 0 does not either: it comes when all that is ready has run, in the order of
// starting, which gevent guarantees (each start reads the clock anew).

/** A statement: what it does, with which numbers, on which object, around which others. */
export interface Statement {
  op: string;
  args: number[];
  on: number;
  blocks: Statement[][];
}

/** Body 0 is the one that is spawned. A body spawns later ones only, so that a program ends. */
export interface Program {
  objects: { kind: string; args: number[] }[];
  bodies: Statement[][];
}

/** The same in both languages. */
export type Pair = [python: string, ts: string];

/** An operation: how likely, the ranges of its numbers, and how it is written. */
export interface Op {
  weight: number;
  ranges: number[];
  /** An expression: its value, or the operation it gives, is logged. */
  say?: (args: number[], object: string, n: number) => Pair;
  /** A statement around others, one string a line; blocks are put where `{0}`, `{1}` stand. */
  around?: (args: number[], object: string, n: number) => { python: string[]; ts: string[] };
  blocks?: number;
}

/** A kind of object: how it is made, and what can be done with it. */
export interface ObjectKind {
  ranges: number[];
  make: (args: number[]) => Pair;
  /** What is left in it, for the last line of a trace. */
  rest: (object: string) => Pair;
  ops: Record<string, Op>;
}

export interface Grammar {
  /** What needs no object. */
  basic: Record<string, Op>;
  kinds: Record<string, ObjectKind>;
}

export type Random = (below: number) => number;

/** mulberry32 */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) % below;
  };
}

// ---- making one -----------------------------------------------------------------------------------------------------

export function makeProgram(grammar: Grammar, seed: number): Program {
  const random = randomFrom(seed);
  const draw = (ranges: number[]) => ranges.map((range) => random(range));
  const names = Object.keys(grammar.kinds);
  const objects: Program['objects'] = [];
  if (names.length > 0) {
    // Few kinds a program, so that its greenlets meet.
    const kinds = Array.from({ length: 1 + random(2) }, () => names[random(names.length)]);
    for (let left = 1 + random(2); left > 0; --left) {
      const kind = kinds[random(kinds.length)];
      objects.push({ kind, args: draw(grammar.kinds[kind].ranges) });
    }
  }
  const onObjects = objects.length > 0 ? 50 : 0;

  function statement(depth: number): Statement {
    const on = random(100) < onObjects ? random(objects.length) : -1;
    const ops = on < 0 ? grammar.basic : grammar.kinds[objects[on].kind].ops;
    const known = Object.entries(ops).filter(([, op]) => depth < 2 || (op.blocks ?? 0) === 0);
    let at = random(known.reduce((sum, [, op]) => sum + op.weight, 0));
    const [name, op] = known.find(([, { weight }]) => (at -= weight) < 0) as [string, Op];
    const blocks = Array.from({ length: op.blocks ?? 0 }, () => block(1 + random(3), depth + 1));
    return { op: name, args: draw(op.ranges), on, blocks };
  }
  const block = (length: number, depth: number) => Array.from({ length }, () => statement(depth));

  const bodies = Array.from({ length: 2 + random(4) }, (_, i) => block(i === 0 ? 4 + random(6) : 1 + random(6), 0));
  return { objects, bodies };
}

// ---- writing it out -------------------------------------------------------------------------------------------------

export interface Written {
  python: string;
  /** Functions `body(log)`-to-be and `atEnd`: the body of a function of `api`. */
  ts: string;
}

export function write(grammar: Grammar, program: Program): Written {
  const python: string[] = [
    'global at_end',
    'gs = [spawn(lambda: None)]',
    'def linked(all):',
    '    for g in all: g.rawlink(lambda _: None)',
    '    return all',
    'def go(how, body, *args):',
    "    name = 'g%d' % len(gs)",
    '    gs.append(None)',
    '    gs[int(name[1:])] = how(body, name, *args)',
    '    return name',
    'def at(me, k):',
    "    others = [g for i, g in enumerate(gs) if g is not None and me != 'g%d' % i]",
    '    return others[k % len(others)]',
  ];
  const ts: string[] = [
    'const gs = [spawn(() => null)];',
    'function linked(all) {',
    '  for (const g of all) g.rawlink(() => {});',
    '  return all;',
    '}',
    'function* go(how, body, ...args) {',
    "  const name = 'g' + gs.length;",
    '  gs.push(null);',
    '  const made = how(body, name, ...args);',
    '  gs[Number(name.slice(1))] = made instanceof Operation ? yield* made : made;',
    '  return name;',
    '}',
    'function at(me, k) {',
    "  const others = gs.filter((g, i) => g !== null && me !== 'g' + i);",
    '  return others[k % others.length];',
    '}',
  ];
  program.objects.forEach(({ kind, args }, i) => {
    const [py, js] = grammar.kinds[kind].make(args);
    python.push(`o${i} = ${py}`);
    ts.push(`const o${i} = ${js};`);
  });

  let n = 0;
  function statements(block: Statement[], body: number, indent: string): { python: string[]; ts: string[] } {
    const out = { python: [] as string[], ts: [] as string[] };
    for (const { op: name, args, on, blocks } of block) {
      const object = on < 0 ? '' : `o${on}`;
      const op = on < 0 ? grammar.basic[name] : grammar.kinds[program.objects[on].kind].ops[name];
      const at = ++n;
      // Bodies are spawned by their distance: never itself, nor an earlier one.
      const numbers = op.ranges.map((range, i) => (range === BODY ? body + 1 + (args[i] % 3) : args[i]));
      const missing = op.ranges.some((range, i) => range === BODY && numbers[i] >= program.bodies.length);
      if (missing) continue;
      if (op.say !== undefined) {
        const [py, js] = op.say(numbers, object, at);
        out.python.push(`${indent}log(me, ${at}, tried(lambda: ${py}))`);
        out.ts.push(`${indent}log(me, ${at}, yield* tried(() => ${js}));`);
      } else if (op.around !== undefined) {
        const lines = op.around(numbers, object, at);
        // The Python side says how deep each block is; TypeScript's follows.
        for (const line of lines.python) {
          const place = /^( *)\{(\d)\}$/.exec(line);
          if (place === null) out.python.push(indent + line);
          else out.python.push(...inner(blocks[Number(place[2])], body, indent + place[1], 'python'));
        }
        const last = n;
        n = at;
        for (const line of lines.ts) {
          const place = /^( *)\{(\d)\}$/.exec(line);
          if (place === null) out.ts.push(indent + line);
          else out.ts.push(...inner(blocks[Number(place[2])], body, indent + place[1], 'ts'));
        }
        n = last;
      }
    }
    return out;
  }
  function inner(block: Statement[], body: number, indent: string, language: 'python' | 'ts'): string[] {
    const lines = statements(block, body, indent)[language];
    return lines.length > 0 || language === 'ts' ? lines : [`${indent}pass`];
  }

  program.bodies.forEach((block, i) => {
    const lines = statements(block, i, '    ');
    python.push(`def b${i}(me):`, ...lines.python, `    return 'b${i}'`);
    ts.push(`function* b${i}(me) {`, ...lines.ts, `    return 'b${i}';`, '}');
  });
  const rest = program.objects.map(({ kind }, i) => grammar.kinds[kind].rest(`o${i}`));
  python.push(
    'def at_end():',
    ...rest.map(([py], i) => `    log('o${i}', ${py})`),
    '    for g in gs: g is not None and log(g.dead, g.value, g.exception, bool(g.has_links()))',
    'go(spawn, b0)',
  );
  ts.push(
    'function* atEnd() {',
    ...rest.map(([, js], i) => `    log('o${i}', ${js});`),
    '    for (const g of gs) g === null || log(g.dead, g.value, g.exception, g.hasLinks() > 0);',
    '}',
    'yield* go(spawn, b0);',
    'return atEnd;',
  );
  return { python: python.join('\n'), ts: ts.join('\n') };
}

/** The range of a number that means a body. */
export const BODY = 1000;

// ---- making it smaller ----------------------------------------------------------------------------------------------

/** All programs that are one step smaller. */
export function smaller(program: Program): Program[] {
  const found: Program[] = [];
  program.bodies.forEach((block, i) => {
    for (const shorter of smallerBlocks(block)) {
      found.push({ ...program, bodies: program.bodies.map((old, k) => (k === i ? shorter : old)) });
    }
  });
  const last = program.bodies.length - 1;
  if (last > 0) found.push({ ...program, bodies: program.bodies.slice(0, last) });
  return found;
}

function smallerBlocks(block: Statement[]): Statement[][] {
  const found: Statement[][] = [];
  // Halves first: they take most.
  if (block.length > 2) {
    const half = block.length >> 1;
    found.push(block.slice(0, half), block.slice(half));
  }
  block.forEach((statement, i) => {
    const [before, behind] = [block.slice(0, i), block.slice(i + 1)];
    found.push([...before, ...behind]);
    statement.blocks.forEach((inner, k) => {
      found.push([...before, ...inner, ...behind]);
      for (const shorter of smallerBlocks(inner)) {
        const blocks = statement.blocks.map((old, at) => (at === k ? shorter : old));
        found.push([...before, { ...statement, blocks }, ...behind]);
      }
    });
  });
  return found;
}
