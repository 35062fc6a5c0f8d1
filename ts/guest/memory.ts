// Bytes and text in a guest's memory. What is read is copied: guests wait, and their memory grows and changes meanwhile.

import { GuestError } from './errors.ts';
import type { Instance } from './instance.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** A view, good until the guest runs. @throws GuestError GEVENT_GUEST_POINTER if it is not within the memory */
export function viewOf(instance: Instance, at: number, length: number): Uint8Array {
  const { buffer } = instance.memory;
  const from = at >>> 0;
  const bytes = length >>> 0;
  if (from + bytes > buffer.byteLength) {
    throw new GuestError(
      'GEVENT_GUEST_POINTER',
      `${instance.name}: ${bytes} bytes at ${from} are outside of its memory of ${buffer.byteLength} bytes`,
    );
  }
  return new Uint8Array(buffer, from, bytes);
}

/** A copy. */
export function bytesAt(instance: Instance, at: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(viewOf(instance, at, length));
}

/** UTF-8. @throws GuestError GEVENT_GUEST_TEXT if it is none */
export function textAt(instance: Instance, at: number, length: number): string {
  const bytes = bytesAt(instance, at, length);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new GuestError(
      'GEVENT_GUEST_TEXT',
      `${instance.name}: the ${bytes.length} bytes at ${at >>> 0} are no UTF-8`,
      {
        cause,
      },
    );
  }
}

/** Write an f64 where the guest may not have aligned it. */
export function storeDouble(instance: Instance, at: number, value: number): void {
  const view = viewOf(instance, at, 8);
  new DataView(view.buffer, view.byteOffset, 8).setFloat64(0, value, true);
}
