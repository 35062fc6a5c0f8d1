// How results tell of errors: minus the number that WASI gives them, which is what C's and Rust's libraries for this machine have.

/** The numbers of WASI preview 1. */
export const Errno = {
  EACCES: 2,
  EADDRINUSE: 3,
  EADDRNOTAVAIL: 4,
  EAFNOSUPPORT: 5,
  EAGAIN: 6,
  EBADF: 8,
  EBUSY: 10,
  ECANCELED: 11,
  ECONNABORTED: 13,
  ECONNREFUSED: 14,
  ECONNRESET: 15,
  EEXIST: 20,
  EHOSTUNREACH: 23,
  EINVAL: 28,
  EIO: 29,
  EISCONN: 30,
  EISDIR: 31,
  ELOOP: 32,
  EMFILE: 33,
  ENAMETOOLONG: 37,
  ENETDOWN: 38,
  ENETUNREACH: 40,
  ENFILE: 41,
  ENOENT: 44,
  ENOMEM: 48,
  ENOSPC: 51,
  ENOSYS: 52,
  ENOTCONN: 53,
  ENOTDIR: 54,
  ENOTSUP: 58,
  EPERM: 63,
  EPIPE: 64,
  EROFS: 69,
  ETIMEDOUT: 73,
  ETXTBSY: 74,
  ENOTCAPABLE: 76,
} as const;

/** A wait's limit came. */
export const LATE = -Errno.ETIMEDOUT;
/** There are no more items. */
export const OVER = -Errno.EPIPE;
/** `load({ allow })` does not say so. */
export const FORBIDDEN = -Errno.ENOTCAPABLE;

/** What an error of the system is as a result. Any other is thrown again: it ends the greenlet. */
export function errnoOf(error: unknown): number {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  // Errors of gevent and of Node's own checks are no errors of the system.
  if (typeof code !== 'string' || code.startsWith('GEVENT_') || code.startsWith('ERR_')) throw error;
  if (/^(ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL|EDNS\w*)$/.test(code)) return -Errno.EHOSTUNREACH;
  return -(Errno[code as keyof typeof Errno] ?? Errno.EIO);
}
