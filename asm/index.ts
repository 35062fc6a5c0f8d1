// What the core exports; ts/core/contract.ts says what each does, and ts/core/waits.ts what it does itself in LINKS and ROWS. The debug build exports check.ts too.

export { counter, init } from './accounts';
export { LINKS, RING, ROWS, rowRoom, slotRoom, WORDS } from './layout';
export { growRows, inRing, unready } from './ready';
export { free, freeArmed, handle, resolve, take, takeArmed, takeReady } from './slots';
export { arm, beginDue, deadline, disarm, nextDeadline, takeDue } from './timers';
