// Writes what little must be changed in a module: exports more, other names, a custom section more. All else is kept, byte for byte.

import { joined, Reader } from './bytes.ts';
import { Extern, leb, text } from './emit.ts';

/** The module with exports more. Section order is kept; a module without exports gets the section in its place. */
export function withExports(
  bytes: Uint8Array,
  added: readonly { name: string; kind: number; index: number }[],
): Uint8Array<ArrayBuffer> {
  if (added.length === 0) return new Uint8Array(bytes);
  const more = added.map(({ name, kind, index }) => [...text(name), kind, ...leb(index)]);
  const top = new Reader(bytes, 8);
  const parts: (Uint8Array | number[])[] = [bytes.subarray(0, 8)];
  let done = false;
  const insert = () => {
    done = true;
    const body = [...leb(more.length), ...more.flat()];
    parts.push([7, ...leb(body.length), ...body]);
  };
  while (top.at < top.end) {
    const from = top.at;
    const id = top.byte();
    const size = top.u32();
    const body = top.at;
    top.skip(size);
    if (id === 7) {
      const section = new Reader(bytes, body, top.at);
      const count = section.count();
      const rest = bytes.subarray(section.at, section.end);
      const head = leb(count + more.length);
      parts.push([7, ...leb(head.length + rest.length + more.flat().length), ...head], rest, more.flat());
      done = true;
      continue;
    }
    // Start, element, code, data and data count come behind it.
    if (!done && id !== 0 && id > 7 && id !== 13) insert();
    parts.push(bytes.subarray(from, top.at));
  }
  if (!done) insert();
  return joined(parts);
}

/** The module with other names of imports and exports. Where `imported` gives a third, true, a memory is imported whatever its limit. */
export function withNames(
  bytes: Uint8Array,
  imported: (module: string, name: string) => readonly [module: string, name: string, unlimited?: boolean],
  exported: (name: string) => string,
): Uint8Array<ArrayBuffer> {
  const top = new Reader(bytes, 8);
  const parts: (Uint8Array | number[])[] = [bytes.subarray(0, 8)];
  while (top.at < top.end) {
    const from = top.at;
    const id = top.byte();
    const size = top.u32();
    const section = new Reader(bytes, top.at, top.at + size);
    top.skip(size);
    if (id !== 2 && id !== 7) {
      parts.push(bytes.subarray(from, top.at));
      continue;
    }
    const count = section.count();
    const body: (Uint8Array | number[])[] = [leb(count)];
    for (let left = count; left > 0; --left) {
      let unlimited = false;
      if (id === 2) {
        const [module, name, third] = imported(section.name(), section.name());
        body.push(text(module), text(name));
        unlimited = third === true;
      } else body.push(text(exported(section.name())));
      const start = section.at;
      const kind = section.byte();
      if (id === 7 || kind === Extern.FUNC) section.u32();
      else if (kind === Extern.TABLE) {
        section.valueType();
        section.limits();
      } else if (kind === Extern.MEMORY) {
        const flags = bytes[section.at];
        const least = section.limits();
        if (unlimited) {
          body.push([kind, flags & ~1, ...leb(least)]);
          continue;
        }
      } else if (kind === Extern.GLOBAL) {
        section.valueType();
        section.byte();
      } else {
        section.byte();
        section.u32();
      }
      body.push(bytes.subarray(start, section.at));
    }
    const made = joined(body);
    parts.push([id, ...leb(made.length)], made);
  }
  return joined(parts);
}

export function withCustom(bytes: Uint8Array, name: string, content: string): Uint8Array<ArrayBuffer> {
  const body = [...text(name), ...new TextEncoder().encode(content)];
  return joined([bytes, [0, ...leb(body.length), ...body]]);
}
