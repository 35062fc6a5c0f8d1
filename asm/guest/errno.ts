// Errors as the host tells of them: minus the numbers of WASI.

export const E_ACCES: i32 = -2;
export const E_ADDRINUSE: i32 = -3;
export const E_BADF: i32 = -8;
export const E_CONNREFUSED: i32 = -14;
export const E_CONNRESET: i32 = -15;
export const E_EXIST: i32 = -20;
export const E_HOSTUNREACH: i32 = -23;
export const E_INVAL: i32 = -28;
export const E_IO: i32 = -29;
export const E_ISDIR: i32 = -31;
export const E_NETUNREACH: i32 = -40;
export const E_NOENT: i32 = -44;
export const E_NOTCONN: i32 = -53;
export const E_NOTDIR: i32 = -54;
/** A pipe without a reader; of a channel or queue: there are no more items. */
export const E_OVER: i32 = -64;
/** The time was up. */
export const E_TIMEDOUT: i32 = -73;
/** The host does not allow it: load({ net, files }). */
export const E_NOTCAPABLE: i32 = -76;
