// What the host gives guests in module `gevent`, as it is: docs/guest-imports.md says what each does. The other files of this
// folder make it pleasant; use these where you need less than that.

@external("gevent", "yield") export declare function yield_(): void;
@external("gevent", "sleep") export declare function sleep(seconds: f64): void;
@external("gevent", "spawn") export declare function spawn(fn: i32, arg: usize): i32;
@external("gevent", "id") export declare function id(slot: i32): f64;
@external("gevent", "now") export declare function now(): f64;
@external("gevent", "getcurrent") export declare function getcurrent(): f64;
@external("gevent", "alive") export declare function alive(id: f64): i32;
@external("gevent", "join") export declare function join(id: f64, timeout: f64): i32;
@external("gevent", "kill") export declare function kill(id: f64): i32;
@external("gevent", "log") export declare function log(at: usize, length: i32): void;
@external("gevent", "stacks") export declare function stacks(at: usize, room: i32): i32;
@external("gevent", "stackless") export declare function stackless(): void;
@external("gevent", "close") export declare function close(handle: i32): i32;

@external("gevent", "channel_new") export declare function channel_new(): i32;
@external("gevent", "channel_put") export declare function channel_put(handle: i32, item: f64, timeout: f64): i32;
@external("gevent", "channel_get") export declare function channel_get(handle: i32, out: usize, timeout: f64): i32;
@external("gevent", "channel_end") export declare function channel_end(handle: i32, timeout: f64): i32;
@external("gevent", "queue_new") export declare function queue_new(maxsize: i32): i32;
@external("gevent", "queue_put") export declare function queue_put(handle: i32, at: usize, length: i32, timeout: f64): i32;
@external("gevent", "queue_get") export declare function queue_get(handle: i32, timeout: f64): i32;
@external("gevent", "queue_take") export declare function queue_take(at: usize, room: i32): i32;
@external("gevent", "queue_size") export declare function queue_size(handle: i32): i32;
@external("gevent", "queue_shutdown") export declare function queue_shutdown(handle: i32): void;

@external("gevent", "semaphore_new") export declare function semaphore_new(permits: i32): i32;
@external("gevent", "semaphore_acquire") export declare function semaphore_acquire(handle: i32, timeout: f64): i32;
@external("gevent", "semaphore_try") export declare function semaphore_try(handle: i32): i32;
@external("gevent", "semaphore_release") export declare function semaphore_release(handle: i32, count: i32): void;
@external("gevent", "event_new") export declare function event_new(): i32;
@external("gevent", "event_set") export declare function event_set(handle: i32): void;
@external("gevent", "event_clear") export declare function event_clear(handle: i32): void;
@external("gevent", "event_is_set") export declare function event_is_set(handle: i32): i32;
@external("gevent", "event_wait") export declare function event_wait(handle: i32, timeout: f64): i32;

@external("gevent", "connect") export declare function connect(host: usize, length: i32, port: i32, timeout: f64): i32;
@external("gevent", "listen") export declare function listen(host: usize, length: i32, port: i32): i32;
@external("gevent", "accept") export declare function accept(handle: i32, timeout: f64): i32;
@external("gevent", "port") export declare function port(handle: i32): i32;
@external("gevent", "recv") export declare function recv(handle: i32, at: usize, room: i32, timeout: f64): i32;
@external("gevent", "send") export declare function send(handle: i32, at: usize, length: i32, timeout: f64): i32;
@external("gevent", "shutdown") export declare function shutdown(handle: i32, how: i32): i32;

@external("gevent", "open") export declare function open(path: usize, length: i32, flags: i32): i32;
@external("gevent", "read") export declare function read(handle: i32, at: usize, room: i32): i32;
@external("gevent", "write") export declare function write(handle: i32, at: usize, length: i32): i32;
@external("gevent", "seek") export declare function seek(handle: i32, position: f64): i32;
