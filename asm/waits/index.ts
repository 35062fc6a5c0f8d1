// Who waits on what, by the rules of ts/core/waits.ts, for those who are WebAssembly themselves: guests. Linked into their engines (see
// build.sh), over the very records that the rules there write. Test: test/core/asm-waits.test.ts holds one against the other.

export { chanGet, chanPut, partner } from './channel';
export { eventClear, eventSet, eventWait, latchFire, semAcquire, semRelease, semTry } from './flags';
export { wakeAll, wakeOne } from './lists';
export { leave, notify, park } from './notes';
export { queueItems, queueStep, queueWait } from './queue';
