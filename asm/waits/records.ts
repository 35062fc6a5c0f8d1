// The records of slots and rows, and the ring. What the words mean is drawn in ts/core/waits/records.ts; build.sh compares the numbers.

import { WORD_HEAD, WORD_MASK, WORD_TAIL } from '../abi';
import { LINKS, ROWS, ring, words } from './core';

// Words of a slot's record: `slot << LINK` words from LINKS on.
export const NEXT: usize = 0;
export const PREV: usize = 1;
export const PLACE: usize = 2;
export const POS: usize = 3;
export const LINK: usize = 2;

export const LOOSE: i32 = -1;
export const LATE: i32 = -2;
export const UNARMED: i32 = -1;

// Of a row's.
export const FIRST: usize = 0;
export const LAST: usize = 1;
export const EDGE: usize = 2;
export const COUNT: usize = 3;
export const VALUE: usize = 4;
export const LIMIT: usize = 5;
export const KIND: usize = 6;
export const NOTE: usize = 7;
export const ROW: usize = 3;

export const NONE: i32 = 0;
export const PENDING: i32 = 1;
export const PASS: i32 = 2;
export const GETS: i32 = 3;

/** No slot, no row, as a record has it. */
export const NOBODY: i32 = -1;

/** Where the record of a slot is, */
export function slotAt(slot: i32): usize {
  return LINKS + (usize(slot) << (LINK + 2));
}

/** and of a row. */
export function rowAt(row: i32): usize {
  return ROWS + (usize(row) << (ROW + 2));
}

export function get(at: usize, word: usize): i32 {
  return load<i32>(at + (word << 2));
}

export function set(at: usize, word: usize, value: i32): void {
  store<i32>(at + (word << 2), value);
}

export function push(entry: i32): void {
  const tail = get(words, WORD_TAIL);
  set(ring, tail, entry);
  set(words, WORD_TAIL, (tail + 1) & get(words, WORD_MASK));
}

export function pushFront(entry: i32): void {
  const head = (get(words, WORD_HEAD) - 1) & get(words, WORD_MASK);
  set(ring, head, entry);
  set(words, WORD_HEAD, head);
}
