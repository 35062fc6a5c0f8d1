// The objects of random programs.

import type { ObjectKind } from './grammar.ts';

/** Names that programs use beside those of the main entry. */
export const api: Record<string, unknown> = {};

export const kinds: Record<string, ObjectKind> = {};
