#!/usr/bin/env bash
#   build.sh                      the core, then TypeScript to dist/; prints the sizes
#   build.sh pack folder          core, then the JavaScript of dist/ alone, into that folder
#   build.sh core                 asm/ to the generated modules in ts/core, if it has changed
#   build.sh start                build, run the tour in examples/, run a short benchmark
#   build.sh test [args…]         core and checks, then vitest
#   build.sh bench [args…]        core, then the benchmark; nothing but its output on stdout
#   build.sh example name [args…] core, then one example, on the sources
set -euo pipefail
cd "$(dirname "$0")"
export PATH="$PWD/node_modules/.bin:$PATH"

main() {
  local command=${1:-build}
  [[ $# -eq 0 ]] || shift
  check_node >&2
  case $command in
    build) core; build ;;
    core) core ;;
    pack) core >&2; pack "${1:?build.sh pack: where to?}" ;;
    start) core; build; node examples/run.ts; node bench/run.ts --quick ;;
    test) core; biome check --error-on-warnings .; tsc; vitest run --testTimeout=60000 "$@" ;;
    bench) core >&2; exec node bench/run.ts "$@" ;;
    example) example_there "${1:-}"; [[ ${2:-} == --help ]] && { sed -n '/^\/\//!q; s/^\/\/ \{0,1\}//p' "examples/$1.ts"; exit; }
             core >&2; exec node --conditions=source "examples/$1.ts" "${@:2}" ;;
    *) fail "no command $command: see the head of build.sh" ;;
  esac
}

example_there() {
  [[ -n $1 && -f examples/$1.ts ]] || fail "no example '$1'; there are: $(cd examples && ls *.ts | sed 's/\.ts$//' | paste -sd' ')"
}

fail() {
  echo "build.sh: $*" >&2
  exit 1
}

check_node() {
  local version
  version=$(node --version 2>/dev/null) || version=none
  [[ $version == v26.* ]] || fail "Node 26 is needed, found $version: run npm ci first, it brings its own"
  [[ -x node_modules/.bin/asc ]] || fail "no compiler: run npm ci first"
  echo "node $version"
}

# asm/ -> wasm -> base64 in a module. Users load the release build, tests also the debug build: asserts, verify().
# Two pages at first, what init() needs: growing detaches a buffer, and from the first that is detached V8 looks at every access whether its own was.
# A memory with a limit, though the highest there is: guests import it by Binaryen, which has no other kind.
# -tnh lets Binaryen drop what --noAssert leaves of the asserts, loads that cannot trap: 5 to 10% on park, arm and take.
# -O2 of asc leaves the inlining to Binaryen's -O3; with -O3 of both the core is a quarter larger and no faster.
core() {
  engines
  sdk
  local release=ts/core/bytes.generated.ts debug=ts/core/debug.generated.ts wasm
  if [[ -f $debug && -f $release && -z $(find asm build.sh ts/core/contract.ts -newer $release) ]]; then return; fi
  compare_constants
  wasm=$(mktemp)
  asc asm/index.ts asm/check.ts -o "$wasm" --runtime stub --memoryBase 1472 --initialMemory 2 --maximumMemory 65536 --debug
  embed "$wasm" debug $debug
  asc asm/index.ts -o "$wasm" --runtime stub --memoryBase 1472 --initialMemory 2 --maximumMemory 65536 -O2 --noAssert
  wasm-opt "$wasm" -o "$wasm" -O3 -tnh --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext
  embed "$wasm" release $release
  rm "$wasm"
}

# asm/guest/ -> assembly/, where the compiler of AssemblyScript looks for `gevent-wasm/assembly`.
sdk() {
  if [[ -d assembly && -z $(find asm/guest build.sh -newer assembly) ]]; then return; fi
  rm -rf assembly
  mkdir assembly
  cp asm/guest/*.ts assembly
}

# asm/switch/*.wat and asm/waits -> wasm -> base64. Each engine gets what guests wait on in itself, so that this costs no call from module to
# module. Compact imports, which -all would write, are read by no engine that is shipped.
engines() {
  local made=ts/guest/engines.generated.ts features='-all --disable-compact-imports' folder engine
  if [[ -f $made && -z $(find asm/switch asm/waits asm/abi.ts build.sh ts/core/contract.ts ts/core/waits -newer $made) ]]; then return; fi
  compare_constants
  folder=$(mktemp -d)
  echo '// Made by build.sh from asm/switch/ and asm/waits/.' >"$made.$$"
  asc asm/waits/linked.ts -o "$folder/rules.wasm" --runtime stub --importMemory --noExportMemory -O2 --noAssert
  wasm-as $features asm/switch/waits.wat -o "$folder/waits.wasm"
  for engine in asyncify wasmfx; do
    wasm-as $features asm/switch/$engine.wat -o "$folder/engine.wasm"
    wasm-merge $features "$folder/engine.wasm" env "$folder/waits.wasm" waits "$folder/rules.wasm" rules -o "$folder/merged.wasm"
    wasm-opt $features -O3 "$folder/merged.wasm" -o "$folder/out.wasm"
    printf "export const $engine =\n  '%s';\n" "$(base64 <"$folder/out.wasm" | tr -d '\n')" >>"$made.$$"
  done
  wasm-as $features asm/switch/lift.wat -o "$folder/lift.wasm"
  wasm-opt $features -O3 "$folder/lift.wasm" -o "$folder/out.wasm"
  printf "export const lift =\n  '%s';\n" "$(base64 <"$folder/out.wasm" | tr -d '\n')" >>"$made.$$"
  mv "$made.$$" $made
  rm -r "$folder"
}

embed() {
  printf "// Made by build.sh from asm/.\nexport const $2 =\n  '%s';\n" "$(base64 <"$1" | tr -d '\n')" >"$3.$$"
  mv "$3.$$" "$3"
}

# asm/abi.ts repeats what contract.ts says in numbers, and asm/waits/records.ts what ts/core/waits/records.ts says.
compare_constants() {
  node --input-type=module -e '
    import { readFileSync } from "node:fs";
    import { HOLE, MAX_SLOTS, NIL, Counter, Place, Priority, Role, RowKind, Why, Word } from "./ts/core/contract.ts";
    import * as records from "./ts/core/waits/records.ts";
    const said = { HOLE, MAX_SLOTS, NIL };
    for (const [group, members] of Object.entries({ Counter, Place, Priority, Role, RowKind, Why, Word }))
      for (const [name, value] of Object.entries(members)) said[`${group}_${name}`.toUpperCase()] = value;
    const compare = (said, file, repeats) => {
      const repeated = {};
      for (const [, name, value] of readFileSync(repeats, "utf8").matchAll(/^export const (\w+): \w+ = (-?\w+);/gm))
        repeated[name] = value;
      for (const name of new Set([...Object.keys(said), ...Object.keys(repeated)]))
        if (!(said[name] >>> 0 === Number(repeated[name]) >>> 0))
          throw new Error(`${name} is ${said[name]} in ${file} and ${repeated[name]} in ${repeats}`);
    };
    compare(said, "contract.ts", "asm/abi.ts");
    // What asm/abi.ts has, or only JavaScript needs.
    const { NIL: NOBODY, HEAD, TAIL, MASK, SEMAPHORE, LATCH, CHANNEL, QUEUE, WAIT, TAKE, DEAD, ANY_NUMBER, ...words } = records;
    compare({ ...words, NOBODY }, "waits/records.ts", "asm/waits/records.ts");
  '
}

# The whole package.
build() {
  rm -rf dist
  mkdir dist
  pack dist
  trap 'rm -f dist/tsconfig.json' EXIT
  cat >dist/tsconfig.json <<<'{
    "extends": "../tsconfig.json",
    "compilerOptions": { "noEmit": false, "emitDeclarationOnly": true, "declarationMap": true, "rootDir": "../ts", "outDir": "." },
    "include": ["../ts"]
  }'
  tsc -p dist/tsconfig.json
  sizes
}

# The JavaScript alone, into a folder. What the main entry imports is one file: each file that is opened costs a millisecond of the import.
pack() {
  node --input-type=module - "$1" <<'JS'
    import { readFileSync } from 'node:fs';
    import { resolve } from 'node:path';
    import { rolldown } from 'rolldown';
    const { exports, dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    const entries = Object.values(exports).flatMap(({ source }) => source ?? []);
    const main = new Set();
    const collect = (id, context) => {
      for (const next of context.getModuleInfo(id).importedIds) {
        if (!next.startsWith(process.cwd()) || main.has(next)) continue;
        main.add(next);
        collect(next, context);
      }
    };
    const groupOf = (id, context) => {
      if (main.size === 0) collect(resolve('ts/index.ts'), context);
      return main.has(id) ? 'gevent' : null;
    };
    const bundle = await rolldown({
      // The executable is no export.
      input: [...entries, 'ts/guest/cli.ts'],
      platform: 'node',
      external: Object.keys({ ...dependencies, ...peerDependencies }).map((name) => new RegExp(`^${name}(/|$)`)),
      logLevel: 'warn',
    });
    await bundle.write({
      dir: process.argv[2],
      format: 'esm',
      sourcemap: true,
      sourcemapExcludeSources: true, // ts/ is in the package
      codeSplitting: { groups: [{ name: groupOf, debugName: 'main' }] },
    });
JS
  esbuild ts/core/debug.generated.ts --outdir="$1" --log-level=warning
  esbuild ts/core/waits-check.ts --bundle --format=esm --outdir="$1" --log-level=warning
  esbuild ts/sys/thread-worker.ts --outdir="$1" --log-level=warning
}

sizes() {
  show 'core, release build' "$(embedded ts/core/bytes.generated.ts)"
  show 'core, debug build' "$(embedded ts/core/debug.generated.ts)"
  show 'dist, JavaScript' "$(cat $(find dist -name '*.js') | wc -c)"
  [[ -f dist/index.js ]] || return 0
  esbuild dist/index.js --bundle --minify --format=esm --platform=node --outfile=dist/.bundle.mjs --log-level=error
  show 'bundle of the main entry, minified' "$(wc -c <dist/.bundle.mjs)"
  show '  gzipped' "$(gzip -9 <dist/.bundle.mjs | wc -c)"
  rm dist/.bundle.mjs
}

embedded() { sed -n "s/^  '\(.*\)';/\1/p" "$1" | base64 -d | wc -c; }
show() { printf '%-36s %7d bytes\n' "$@"; }

main "$@"
