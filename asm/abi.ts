// What ts/core/contract.ts says in numbers. build.sh compares the two and fails where they differ.

/** No slot, no row. Leaves WASM as -1. */
export const NIL: u32 = 0xffffffff;
export const HOLE: u32 = 0x80000000;
export const MAX_SLOTS: u32 = 0xfffffe;

export const WORD_HEAD: usize = 0;
export const WORD_TAIL: usize = 1;
export const WORD_MASK: usize = 2;
export const WORD_BUDGET: usize = 3;

export const ROWKIND_LIST: u32 = 0;
export const ROWKIND_EVENT: u32 = 1;
export const ROWKIND_SEMAPHORE: u32 = 2;
export const ROWKIND_LATCH: u32 = 3;
export const ROWKIND_CHANNEL: u32 = 4;
export const ROWKIND_QUEUE: u32 = 5;

export const WHY_WOKEN: u32 = 0;
export const WHY_TIMED_OUT: u32 = 1;

export const PLACE_LOOSE: u32 = 0;
export const PLACE_READY: u32 = 1;
export const PLACE_WAITING: u32 = 2;

export const ROLE_WAIT: u32 = 0;
export const ROLE_TAKE: u32 = 1;
export const ROLE_PEEK: u32 = 2;

export const PRIORITY_HIGHEST: u32 = 0;
export const PRIORITY_HIGH: u32 = 1;
export const PRIORITY_NORMAL: u32 = 2;
export const PRIORITY_LATE: u32 = 3;
export const PRIORITY_LATEST: u32 = 4;

export const COUNTER_SLOTS: u32 = 0;
export const COUNTER_ROWS: u32 = 1;
export const COUNTER_READY: u32 = 2;
export const COUNTER_WAITING: u32 = 3;
export const COUNTER_TIMERS: u32 = 4;
export const COUNTER_CAPACITY: u32 = 5;
export const COUNTER_RETIRED: u32 = 6;
export const COUNTER_BYTES: u32 = 7;
export const COUNTER_KIND: u32 = 8;
