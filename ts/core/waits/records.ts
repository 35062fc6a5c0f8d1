// The records of slots and rows: which word is where, and what it may be. Everything that reads or writes them has it from here; asm/
// repeats the numbers, and build.sh compares them. The bundler puts them in place: an exported constant would be a load, and a check, at each use.
//
// A slot has a record of four integers, a row one of eight. They lie in the core's memory, which also has the ready ring, and are read and
// written in place: a call into WASM costs 4 to 5 ns, which is as much as linking a waiter, and a hand-over has three of them.
//
//   links   NEXT   behind it in its row's list, or NIL; of a free slot: the next free one
//           PREV   before it in its row's list, or NIL
//           PLACE  waiting: row * 4 + Role; else LOOSE, or LATE if it woke because its time was up
//           POS    where its timer is, which the timers know; UNARMED
//   rows    FIRST  head of the list, or NIL; of a free row: the next free one
//           LAST   tail of the list, or NIL
//           EDGE   last of the pass under way; CHANNEL, QUEUE: last getter
//           COUNT  slots in the list
//           VALUE  permits, items, flag, fired
//           LIMIT  QUEUE: most items; CHANNEL: getters in the list
//           KIND   RowKind, or DEAD
//           NOTE   its notification: NONE, PENDING, PASS or GETS
//
// Records begin at multiples of their size, so a word of one is `r | WORD`: of `r + WORD` V8 looks whether it overflows, at each use.
//
//   row     FIRST ---> 4 <---> 9 <---> 2 <--- LAST       COUNT 3
//   EDGE ----------------------^                         waiters up to the edge belong to the pass under way;
//                                                        in a CHANNEL or QUEUE they are the getters, those behind it the putters

import type { Role, RowKind, Word } from '../contract.ts';

// As contract.ts has them; the types see to it.
export const NIL = -1;
export const HEAD: typeof Word.HEAD = 0;
export const TAIL: typeof Word.TAIL = 1;
export const MASK: typeof Word.MASK = 2;
export const SEMAPHORE: typeof RowKind.SEMAPHORE = 2;
export const LATCH: typeof RowKind.LATCH = 3;
export const CHANNEL: typeof RowKind.CHANNEL = 4;
export const QUEUE: typeof RowKind.QUEUE = 5;
export const WAIT: typeof Role.WAIT = 0;
export const TAKE: typeof Role.TAKE = 1;

// A slot's record.
export const NEXT = 0;
export const PREV = 1;
export const PLACE = 2;
export const POS = 3;
/** `slot << LINK` is where it begins. */
export const LINK = 2;

export const LOOSE = -1;
export const LATE = -2;
export const UNARMED = -1;

// A row's.
export const FIRST = 0;
export const LAST = 1;
export const EDGE = 2;
export const COUNT = 3;
export const VALUE = 4;
export const LIMIT = 5;
export const KIND = 6;
export const NOTE = 7;
/** `row << ROW` is where it begins. */
export const ROW = 3;

export const NONE = 0;
export const PENDING = 1;
export const PASS = 2;
/** QUEUE: the pass goes on with a getter. */
export const GETS = 3;

export const DEAD = 255;
export const ANY_NUMBER = 2 ** 31 - 1;
