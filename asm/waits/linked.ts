// What asm/switch/waits.wat calls, and nothing else: it goes into every engine of guests.

export { chanGet, chanPut, notifyPair } from './channel';
export { eventClear, eventSet, eventWait, semAcquire, semRelease, semTry } from './flags';
export { notifyFlag } from './notes';
