// Whether a module has what aborts the process where it is compiled: `switch`, and handlers for it, in V8 before 15. The engine
// compiles a function when it is first called, so a module that has one loads and runs well until then.

import { Code } from './code.ts';
import { GuestError } from './errors.ts';

const SECTION = 10;

/** @throws GuestError if the module has it, or instructions that are not known */
export function refuseSwitch(bytes: Uint8Array): void {
  const top = new Code(bytes, 8, bytes.length);
  while (top.at < top.end) {
    const id = top.byte();
    const size = top.u32();
    const section = new Code(bytes, top.at, Math.min(top.at + size, bytes.length));
    top.at += size;
    if (id !== SECTION) continue;
    for (let left = section.u32(); left > 0 && section.at < section.end; --left) {
      const length = section.u32();
      const body = new Code(bytes, section.at, Math.min(section.at + length, section.end));
      section.at += length;
      body.locals();
      while (body.at < body.end) {
        const op = body.byte();
        if (!body.immediates(op)) throw switches(`an instruction that is not known (0x${op.toString(16)})`);
        if (body.switches) throw switches('switch, or a handler for it');
      }
    }
  }
}

function switches(what: string): GuestError {
  return new GuestError(
    'GEVENT_GUEST_NO_BACKEND',
    `the module switches stacks by itself and has ${what}, at which this engine (V8 before 15) ends the process`,
  );
}
