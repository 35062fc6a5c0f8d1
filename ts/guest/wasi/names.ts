// The names of WASI that the command line has to know.

export const MODULE = 'wasi_snapshot_preview1';

/** The calls that may have to wait. */
export const BLOCKING: readonly string[] = [
  'fd_read',
  'fd_write',
  'poll_oneoff',
  'sched_yield',
  'sock_accept',
  'sock_recv',
  'sock_send',
];

/** As `--imports` of the command line has them. */
export const BLOCKING_NAMES: readonly string[] = BLOCKING.map((name) => `${MODULE}.${name}`);
