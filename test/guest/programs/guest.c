/* A guest in C, without a library: everything of gevent.h that can be seen from outside. */
#include "gevent.h"

#define PUT(text) gevent_log(text, sizeof text - 1)

static gevent_handle numbers, lock, ready;
static int inside, most;

static void say(const char *what, int number) {
  char line[64];
  int n = 0, digits[12], d = 0;
  while (what[n]) line[n] = what[n], ++n;
  line[n++] = ' ';
  if (number < 0) line[n++] = '-', number = -number;
  do digits[d++] = number % 10, number /= 10;
  while (number);
  while (d) line[n++] = (char)('0' + digits[--d]);
  gevent_log(line, n);
}

static void producer(int32_t count) {
  for (int i = 0; i < count; ++i) gevent_channel_put(numbers, i * 1.5, GEVENT_FOREVER);
  gevent_channel_end(numbers, GEVENT_FOREVER);
}

GEVENT_EXPORT("channels") int channels(int count) {
  numbers = gevent_channel_new();
  gevent_spawn(producer, count);
  double sum = 0, item;
  int result;
  while ((result = gevent_channel_get(numbers, &item, GEVENT_FOREVER)) == 0) sum += item;
  say("ended", result);
  say("timed out", gevent_channel_get(numbers, &item, 0.5));
  gevent_close(numbers);
  return (int)(sum * 2);
}

/* What JavaScript puts comes back in capitals. */
GEVENT_EXPORT("shout") int shout(gevent_handle in, gevent_handle out) {
  int count = 0, length;
  char text[32];
  while ((length = gevent_queue_get(in, GEVENT_FOREVER)) >= 0) {
    length = gevent_queue_take(text, sizeof text);
    for (int i = 0; i < length; ++i)
      if (text[i] >= 'a' && text[i] <= 'z') text[i] -= 32;
    gevent_queue_put(out, text, length, GEVENT_FOREVER);
    ++count;
  }
  gevent_queue_shutdown(out);
  say("left", gevent_queue_size(out));
  return count;
}

static void worker(int32_t n) {
  gevent_event_wait(ready, GEVENT_FOREVER);
  gevent_semaphore_acquire(lock, GEVENT_FOREVER);
  if (++inside > most) most = inside;
  gevent_sleep(0.1);
  say("worker", n);
  --inside;
  gevent_semaphore_release(lock, 1);
}

GEVENT_EXPORT("workers") int workers(int count) {
  lock = gevent_semaphore_new(2);
  ready = gevent_event_new();
  gevent_id all[16];
  for (int i = 0; i < count; ++i) all[i] = gevent_id_of(gevent_spawn(worker, i));
  say("set", gevent_event_is_set(ready));
  gevent_yield();
  gevent_event_set(ready);
  for (int i = 0; i < count; ++i) gevent_join(all[i], GEVENT_FOREVER);
  gevent_event_clear(ready);
  say("late", gevent_event_wait(ready, 0.25));
  say("taken", gevent_semaphore_try(lock));
  say("alive", gevent_alive(all[0]));
  return most;
}

static void forever(int32_t unused) {
  (void)unused;
  gevent_sleep(1e9);
}

GEVENT_EXPORT("kills") int kills(void) {
  gevent_id it = gevent_id_of(gevent_spawn(forever, 0));
  double before = gevent_now();
  say("late", gevent_join(it, 1));
  say("waited", (int)(gevent_now() - before));
  say("killed", gevent_kill(it));
  say("joined", gevent_join(it, GEVENT_FOREVER));
  say("killed", gevent_kill(it));
  return gevent_getcurrent() >= 0;
}

GEVENT_EXPORT("sockets") int sockets(void) {
  gevent_handle listener = gevent_listen("127.0.0.1", 9, 0);
  if (listener < 0) return listener;
  gevent_handle client = gevent_connect("127.0.0.1", 9, gevent_port(listener), 5);
  gevent_handle served = gevent_accept(listener, 5);
  char text[16];
  if (gevent_send(client, "hello", 5, 5) != 5) return -1000;
  int got = gevent_recv(served, text, sizeof text, 5);
  gevent_shutdown(client, GEVENT_SHUT_WR);
  say("end", gevent_recv(served, text + got, sizeof text - got, 5));
  gevent_log(text, got);
  gevent_close(served);
  gevent_close(client);
  gevent_close(listener);
  return got;
}

GEVENT_EXPORT("files") int files(void) {
  gevent_handle file = gevent_open("note.txt", 8, GEVENT_READ | GEVENT_WRITE | GEVENT_CREATE);
  if (file < 0) return file;
  char text[16];
  gevent_write(file, "hello file", 10);
  gevent_seek(file, 6);
  int got = gevent_read(file, text, sizeof text);
  gevent_log(text, got);
  gevent_close(file);
  say("again", gevent_close(file));
  return gevent_open("none.txt", 8, GEVENT_READ);
}

GEVENT_EXPORT("misuse") void misuse(void) { gevent_event_set(12345); }
