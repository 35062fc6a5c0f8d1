// What the core exports; ts/core/contract.ts says what each does. The debug build exports check.ts too.

export { counter, init } from './accounts';
export { balance, chanGet, chanPut, partner } from './channel';
export { RING, rowRoom, slotRoom, WORDS } from './layout';
export { queueItems, queueLimit, queueStep, queueWait } from './queue';
export { ready, readyFront, unready } from './ready';
export { first, quiet, rowFree, rowNew, value, waiting } from './rows';
export { free, freeArmed, handle, place, resolve, rowOf, take, takeArmed, takeReady, why } from './slots';
export { eventClear, eventSet, eventWait, latchFire, notify, park, semAcquire, semRelease, semTry } from './sync';
export { arm, beginDue, deadline, disarm, nextDeadline } from './timers';
export { leave, next, nextDue, role, wakeAll, wakeOne } from './waiters';
