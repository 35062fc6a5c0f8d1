/*
 * gevent.h: what C and C++ guests of gevent-wasm can import. docs/guest-imports.md says what each function does.
 *
 *     clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry,--export-table -I node_modules/gevent-wasm/ts/guest/bindings guest.c -o guest.wasm
 *     clang --target=wasm32-wasi -O2 -Wl,--export-table -I node_modules/gevent-wasm/ts/guest/bindings program.c -o program.wasm
 *
 * --export-table is for gevent_spawn: clang runs wasm-opt where it finds one, which drops a table that nothing seems to use.
 *
 * No C library is needed, and nothing is linked: the functions are imports, and one that is not called is not imported.
 *
 * A result of 0 or more is success. Below 0 it is minus an error number, the one that <errno.h> has for WASI: so
 * `errno = -result`. GEVENT_TIMED_OUT and GEVENT_ENDED are the two that are no errors. Misuse (a number that is no handle, a
 * pointer outside the memory, NaN as a time) does not return: it ends the greenlet as a trap does.
 *
 * A timeout is in seconds; GEVENT_FOREVER: no limit; 0 lets run what is ready.
 */
#ifndef GEVENT_H
#define GEVENT_H

#include <stdint.h>

#ifndef __wasm32__
#error "gevent.h is for guests: compile with --target=wasm32 or wasm32-wasi"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** A channel, queue, semaphore, event, socket or file of this instance; above 0. */
typedef int32_t gevent_handle;
/** A greenlet, living or ended: a whole number that is never used again. */
typedef double gevent_id;

#define GEVENT_FOREVER (-1.0)
/** The limit came first. */
#define GEVENT_TIMED_OUT (-73)
/** There are no more items: END came, or the queue was shut down. */
#define GEVENT_ENDED (-64)
/** load() did not allow it: no `net`, no `files`. */
#define GEVENT_FORBIDDEN (-76)

/** For open. */
#define GEVENT_READ 1
#define GEVENT_WRITE 2
#define GEVENT_CREATE 4
#define GEVENT_TRUNCATE 8
#define GEVENT_APPEND 16
#define GEVENT_NEW 32

/** For shutdown. */
#define GEVENT_SHUT_RD 0
#define GEVENT_SHUT_WR 1
#define GEVENT_SHUT_RDWR 2

/** In front of a function that JavaScript spawns by its name. */
#define GEVENT_EXPORT(name) __attribute__((used, export_name(name)))

#define GEVENT_IMPORT(name) __attribute__((import_module("gevent"), import_name(name)))

/* ---- greenlets; those marked B may wait ------------------------------------------------------------------------- */

/** B: let others run. */
GEVENT_IMPORT("yield") void gevent_yield(void);
/** B: wait; infinity: for good. */
GEVENT_IMPORT("sleep") void gevent_sleep(double seconds);
/** Run a function of this module as a greenlet: its slot. */
GEVENT_IMPORT("spawn") int32_t gevent_spawn(void (*function)(int32_t), int32_t argument);
/** The greenlet in a slot; behind gevent_spawn: the new one. */
GEVENT_IMPORT("id") gevent_id gevent_id_of(int32_t slot);
/** Seconds on the hub's clock. */
GEVENT_IMPORT("now") double gevent_now(void);
/** The greenlet that calls; -1: none. */
GEVENT_IMPORT("getcurrent") gevent_id gevent_getcurrent(void);
/** B: wait until it has ended: 0, GEVENT_TIMED_OUT. */
GEVENT_IMPORT("join") int32_t gevent_join(gevent_id greenlet, double timeout);
/** Order its end: 1; 0: it had ended. */
GEVENT_IMPORT("kill") int32_t gevent_kill(gevent_id greenlet);
/** 1: it has not ended. */
GEVENT_IMPORT("alive") int32_t gevent_alive(gevent_id greenlet);
/** Say a line, UTF-8. */
GEVENT_IMPORT("log") void gevent_log(const char *text, int32_t length);
/** B: forget a handle; a socket or file is closed. */
GEVENT_IMPORT("close") int32_t gevent_close(gevent_handle handle);

/* ---- channels and queues ---------------------------------------------------------------------------------------- */

GEVENT_IMPORT("channel_new") gevent_handle gevent_channel_new(void);
/** B: 0, GEVENT_TIMED_OUT, GEVENT_ENDED. */
GEVENT_IMPORT("channel_put") int32_t gevent_channel_put(gevent_handle channel, double item, double timeout);
/** B: 0 and the item, GEVENT_TIMED_OUT, GEVENT_ENDED. */
GEVENT_IMPORT("channel_get") int32_t gevent_channel_get(gevent_handle channel, double *item, double timeout);
/** B: tell one getter that there are no more. */
GEVENT_IMPORT("channel_end") int32_t gevent_channel_end(gevent_handle channel, double timeout);

/** `maxsize` 0 or less: any number of items. */
GEVENT_IMPORT("queue_new") gevent_handle gevent_queue_new(int32_t maxsize);
/** B: put a copy of the bytes: 0, GEVENT_TIMED_OUT, GEVENT_ENDED. */
GEVENT_IMPORT("queue_put")
int32_t gevent_queue_put(gevent_handle queue, const void *bytes, int32_t length, double timeout);
/** B: wait for an item: its length, GEVENT_TIMED_OUT, GEVENT_ENDED; then gevent_queue_take. */
GEVENT_IMPORT("queue_get") int32_t gevent_queue_get(gevent_handle queue, double timeout);
/** Copy what this greenlet's last gevent_queue_get got: how many bytes. */
GEVENT_IMPORT("queue_take") int32_t gevent_queue_take(void *into, int32_t capacity);
GEVENT_IMPORT("queue_size") int32_t gevent_queue_size(gevent_handle queue);
/** No more puts; gets end when it is empty. */
GEVENT_IMPORT("queue_shutdown") void gevent_queue_shutdown(gevent_handle queue);

/* ---- semaphores and events -------------------------------------------------------------------------------------- */

GEVENT_IMPORT("semaphore_new") gevent_handle gevent_semaphore_new(int32_t permits);
/** B: 0, GEVENT_TIMED_OUT. */
GEVENT_IMPORT("semaphore_acquire") int32_t gevent_semaphore_acquire(gevent_handle semaphore, double timeout);
/** 1: taken. */
GEVENT_IMPORT("semaphore_try") int32_t gevent_semaphore_try(gevent_handle semaphore);
GEVENT_IMPORT("semaphore_release") void gevent_semaphore_release(gevent_handle semaphore, int32_t count);

GEVENT_IMPORT("event_new") gevent_handle gevent_event_new(void);
GEVENT_IMPORT("event_set") void gevent_event_set(gevent_handle event);
GEVENT_IMPORT("event_clear") void gevent_event_clear(gevent_handle event);
GEVENT_IMPORT("event_is_set") int32_t gevent_event_is_set(gevent_handle event);
/** B: 0, GEVENT_TIMED_OUT. */
GEVENT_IMPORT("event_wait") int32_t gevent_event_wait(gevent_handle event, double timeout);

/* ---- sockets, with load({ net }) -------------------------------------------------------------------------------- */

/** B: a connection. `port` -1: `host` is the path of a Unix socket. */
GEVENT_IMPORT("connect")
gevent_handle gevent_connect(const char *host, int32_t length, int32_t port, double timeout);
/** B: a listening socket; `port` 0: any. */
GEVENT_IMPORT("listen") gevent_handle gevent_listen(const char *host, int32_t length, int32_t port);
/** B: a connection that came. */
GEVENT_IMPORT("accept") gevent_handle gevent_accept(gevent_handle listener, double timeout);
/** The port it is at. */
GEVENT_IMPORT("port") int32_t gevent_port(gevent_handle socket);
/** B: bytes received; 0: the end. */
GEVENT_IMPORT("recv") int32_t gevent_recv(gevent_handle socket, void *into, int32_t capacity, double timeout);
/** B: send all of them: `length`. */
GEVENT_IMPORT("send") int32_t gevent_send(gevent_handle socket, const void *bytes, int32_t length, double timeout);
GEVENT_IMPORT("shutdown") int32_t gevent_shutdown(gevent_handle socket, int32_t how);

/* ---- files, with load({ files }) -------------------------------------------------------------------------------- */

/** B: a file below the folder. `flags`: GEVENT_READ and the like. */
GEVENT_IMPORT("open") gevent_handle gevent_open(const char *path, int32_t length, int32_t flags);
/** B: bytes from where it is; 0: the end. */
GEVENT_IMPORT("read") int32_t gevent_read(gevent_handle file, void *into, int32_t capacity);
/** B: write all of them: `length`. */
GEVENT_IMPORT("write") int32_t gevent_write(gevent_handle file, const void *bytes, int32_t length);
/** Read and write go on there. */
GEVENT_IMPORT("seek") int32_t gevent_seek(gevent_handle file, double position);

#ifdef __cplusplus
}
#endif

#endif
