// The command line: what is done to guests ahead of time. (`monkey` is in sys/monkey/command.ts.)

import { bundle } from './bundle.ts';
import { Extern } from './emit.ts';
import { readShape } from './read.ts';
import { asyncify, rewritten } from './rewrite.ts';
import { BLOCKING_NAMES } from './wasi/names.ts';

const USAGE = `gevent-wasm asyncify in.wasm -o out.wasm [--imports module.name,module.*] [--wasi]
    Rewrite a module for the asyncify backend, so that load() need not, and Binaryen need not be installed.
    --imports   the imports that load() will be given as blocking(fn); gevent.yield and gevent.sleep are always among them
    --wasi      those of WASI that runWasi() has block

gevent-wasm bundle in.wasm -o out.wasm [--imports …]
    The same, and put the engine into the module: the fastest switches. Each of its instances then has an engine of its own.

gevent-wasm inspect in.wasm
    What load() would find: imports, exports, shadow stack.

gevent-wasm monkey [--no-PATCH...] script.js [arguments...]
    Run a program with Node's modules patched; monkey --help tells more.

gevent-wasm --version
`;

const HELP = ['--help', '-h', 'help'];

/** A mistake of the caller: its text is printed, without a stack. */
class Usage extends Error {}

interface Files {
  read(path: string): Uint8Array;
  write(path: string, bytes: Uint8Array): void;
  print(text: string): void;
  /** For complaints. */
  warn(text: string): void;
  version(): string;
}

/** Run a command. Gives the exit code: 2 if it was called wrongly, 1 if it failed. */
export async function command(argv: readonly string[], files: Files): Promise<number> {
  try {
    const [name, ...rest] = argv;
    if (name === undefined || HELP.includes(name) || rest.some((it) => it === '--help' || it === '-h'))
      files.print(USAGE);
    else if (name === '--version') files.print(`${files.version()}\n`);
    else if (name === 'asyncify' || name === 'bundle') await rewrite(name, rest, files);
    else if (name === 'inspect') inspect(rest, files);
    else throw new Usage(`no command ${name}\n\n${USAGE}`);
    return 0;
  } catch (error) {
    files.warn(`gevent-wasm: ${(error as Error).message}\n`);
    return error instanceof Usage ? 2 : 1;
  }
}

async function rewrite(command: 'asyncify' | 'bundle', argv: readonly string[], files: Files): Promise<void> {
  const options = parse(argv, ['-o', '--imports'], ['--wasi']);
  const [input] = options.plain;
  const output = options.named.get('-o');
  if (input === undefined || output === undefined) throw new Usage(`${command}: expected a module and -o\n\n${USAGE}`);
  const blocking = (options.named.get('--imports') ?? '').split(',').filter((name) => name !== '');
  const bytes = files.read(input);
  const there = readShape(bytes).imports.map((it) => `${it.module}.${it.name}`);
  for (const name of blocking) {
    const found = name.endsWith('.*') ? there.some((it) => it.startsWith(name.slice(0, -1))) : there.includes(name);
    if (!found)
      throw new Usage(`${command}: ${input} does not import ${name}; it imports ${there.join(', ') || 'nothing'}`);
  }
  if (options.flags.has('--wasi')) blocking.push(...BLOCKING_NAMES);
  const made = await (command === 'bundle' ? bundle : asyncify)(bytes, { blocking, cache: false });
  files.write(output, made);
  const times = (made.length / bytes.length).toFixed(2);
  const said = rewritten(readShape(made))?.blocking.join(', ') || 'nothing';
  files.print(`${output}: ${made.length} bytes, ${times} times ${input}; ${said} may block\n`);
}

function inspect(argv: readonly string[], files: Files): void {
  const [input] = parse(argv, []).plain;
  if (input === undefined) throw new Usage(`inspect: expected a module\n\n${USAGE}`);
  const shape = readShape(files.read(input));
  const kinds = Object.entries(Extern);
  const kindOf = (kind: number) => kinds.find(([, value]) => value === kind)?.[0].toLowerCase() ?? '';
  const stack = shape.stackPointer;
  const lines = [
    `${shape.size} bytes${rewritten(shape) === null ? '' : ', rewritten for asyncify'}`,
    `shadow stack: ${stack.kind === 'global' ? `global ${stack.index} (${stack.from})` : stack.kind === 'none' ? 'none' : stack.why}`,
    ...shape.imports.map((it) => `import ${kindOf(it.kind)} ${it.module}.${it.name}`),
    ...shape.exports.map((it) => `export ${kindOf(it.kind)} ${it.name}`),
  ];
  files.print(`${lines.join('\n')}\n`);
}

interface Parsed {
  readonly plain: string[];
  readonly named: Map<string, string>;
  readonly flags: Set<string>;
}

function parse(argv: readonly string[], known: readonly string[], switches: readonly string[] = []): Parsed {
  const plain: string[] = [];
  const flags = new Set<string>();
  const named = new Map<string, string>();
  for (let i = 0; i < argv.length; ++i) {
    const arg = argv[i];
    if (!arg.startsWith('-')) plain.push(arg);
    else if (switches.includes(arg)) flags.add(arg);
    else if (!known.includes(arg)) throw new Usage(`no option ${arg}\n\n${USAGE}`);
    else if (i + 1 >= argv.length) throw new Usage(`${arg}: expected a value`);
    else named.set(arg, argv[++i]);
  }
  return { plain, named, flags };
}
