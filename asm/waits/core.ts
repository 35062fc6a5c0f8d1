// What the rules are linked to: the core's memory, where its columns begin (they move when it grows), and what of it is a call.

export declare let LINKS: usize;
export declare let ROWS: usize;
export declare const words: usize;
export declare const ring: usize;
export declare function disarm(slot: u32): bool;
export declare function unready(entry: u32): bool;
