/* What the WASI tests run: one program, whose first argument says what it does. Nothing in it knows of gevent. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int echo(int argc, char **argv) {
  for (int i = 0; i < argc; ++i) printf("[%s]", argv[i]);
  const char *home = getenv("HOME");
  printf(" HOME=%s\n", home ? home : "(none)");
  fprintf(stderr, "to stderr\n");
  return argc;
}

static int naps(const char *name, int count, int ms) {
  for (int i = 0; i < count; ++i) {
    usleep(ms * 1000);
    printf("%s%d\n", name, i);
    fflush(stdout);
  }
  return 0;
}

static int clocks(void) {
  double mono = now(CLOCK_MONOTONIC), real = now(CLOCK_REALTIME);
  struct timespec t = {1, 500000000};
  nanosleep(&t, NULL);
  printf("%.1f %.1f\n", now(CLOCK_MONOTONIC) - mono, now(CLOCK_REALTIME) - real);
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_sec += 2;
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
  printf("%.1f\n", now(CLOCK_MONOTONIC) - mono);
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_sec += 1;
  clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
  printf("%.1f\n", now(CLOCK_MONOTONIC) - mono);
  return 0;
}

static int cat(const char *prefix) {
  char line[256];
  int n = 0;
  while (fgets(line, sizeof line, stdin)) {
    printf("%s%s", prefix, line);
    fflush(stdout);
    ++n;
  }
  return n;
}

static int sum(void) {
  int x, all = 0;
  while (scanf("%d", &x) == 1) all += x;
  printf("%d\n", all);
  return 0;
}

/* Wait for stdin, a second at a time. */
static int polls(void) {
  struct pollfd fds[1] = {{0, POLLIN, 0}};
  char bytes[16];
  for (;;) {
    int ready = poll(fds, 1, 1000);
    if (ready == 0) {
      printf("tick\n");
      fflush(stdout);
      continue;
    }
    if (ready < 0) return 99;
    ssize_t got = read(0, bytes, sizeof bytes);
    printf("%zd%s\n", got, fds[0].revents & POLLHUP ? " hangup" : "");
    fflush(stdout);
    if (got == 0) return 0;
  }
}

static int selects(void) {
  fd_set readers, writers;
  FD_ZERO(&readers);
  FD_ZERO(&writers);
  FD_SET(0, &readers);
  FD_SET(1, &writers);
  struct timeval limit = {1, 0};
  int ready = select(2, &readers, &writers, NULL, &limit);
  printf("%d %d %d\n", ready, FD_ISSET(0, &readers) != 0, FD_ISSET(1, &writers) != 0);
  struct pollfd bad[1] = {{77, POLLIN, 0}};
  printf("%d %d\n", poll(bad, 1, 0), (bad[0].revents & POLLNVAL) != 0);
  return 0;
}

static int nonblock(void) {
  char bytes[8];
  fcntl(0, F_SETFL, O_NONBLOCK);
  ssize_t got = read(0, bytes, sizeof bytes);
  printf("%zd %d\n", got, errno == EAGAIN);
  usleep(1000000);
  printf("%zd\n", read(0, bytes, sizeof bytes));
  return 0;
}

static int entries(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) return -1;
  int n = 0;
  for (struct dirent *e = readdir(dir); e; e = readdir(dir))
    if (e->d_name[0] != '.') ++n;
  closedir(dir);
  return n;
}

static int files(const char *dir) {
  char name[256], other[256], text[64] = "";
  snprintf(name, sizeof name, "%s/in.txt", dir);
  FILE *f = fopen(name, "r");
  if (!f) return 10;
  if (fgets(text, sizeof text, f)) printf("%s\n", text);
  fclose(f);
  snprintf(name, sizeof name, "%s/new.txt", dir);
  f = fopen(name, "w+");
  if (!f) return 11;
  fputs("written by C", f);
  fseek(f, 8, SEEK_SET);
  if (fgets(text, sizeof text, f)) printf("%s\n", text);
  fclose(f);
  printf("entries %d\n", entries(dir));
  snprintf(other, sizeof other, "%s/moved.txt", dir);
  printf("rename %d\n", rename(name, other));
  struct stat st;
  printf("stat %d %d\n", stat(other, &st), (int)st.st_size);
  snprintf(name, sizeof name, "%s/sub", dir);
  printf("mkdir %d\n", mkdir(name, 0755));
  printf("rmdir %d\n", rmdir(name));
  printf("entries %d\n", entries(dir));
  snprintf(name, sizeof name, "%s/../secret.txt", dir);
  f = fopen(name, "r");
  printf("outside %s\n", f ? "opened" : "refused");
  f = fopen("/nowhere", "r");
  printf("nowhere %s\n", f ? "opened" : "refused");
  return 0;
}

/* Leave files open, and wait for good. */
static int hold(const char *path) {
  for (int i = 0; i < 3; ++i)
    if (open(path, O_RDONLY) < 0) return 1;
  printf("open\n");
  fflush(stdout);
  for (;;) sleep(1000);
}

static int closing(void) {
  int n = write(1, "a", 1);
  close(1);
  int m = write(1, "b", 1);
  fprintf(stderr, "%d %d %d\n", n, m, errno == EBADF);
  return 0;
}

static int flood(int size) {
  char *bytes = malloc(size);
  memset(bytes, 'x', size);
  int done = 0;
  while (done < size) {
    ssize_t n = write(1, bytes + done, size - done);
    if (n < 0) return errno == EPIPE ? 32 : 1;
    done += n;
  }
  return 0;
}

/* Serve some connections one after another, on a listening socket that was given: each line comes back. */
static int serve(int listener, int count) {
  for (int i = 0; i < count; ++i) {
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) return 1;
    char bytes[64], ahead[4];
    ssize_t seen = recv(connection, ahead, sizeof ahead, MSG_PEEK);
    ssize_t got;
    while ((got = recv(connection, bytes, sizeof bytes, 0)) > 0)
      if (send(connection, bytes, got, 0) != got) return 2;
    printf("served %d, peeked %d\n", i, seen > 0);
    fflush(stdout);
    shutdown(connection, SHUT_RDWR);
    close(connection);
  }
  return 0;
}

static int yields(const char *name, int count) {
  for (int i = 0; i < count; ++i) {
    printf("%s%d\n", name, i);
    fflush(stdout);
    sched_yield();
  }
  return 0;
}

static int __attribute__((noinline)) deep(volatile int n) {
  volatile char frame[64];
  frame[n & 63] = 1;
  return n == 0 ? 0 : deep(n + 1) + frame[n & 63];
}

static int trap(const char *how) {
  printf("before\n");
  fflush(stdout);
  if (!strcmp(how, "abort")) abort();
  if (!strcmp(how, "null")) return (*(int (*volatile)(void))12345)();
  if (!strcmp(how, "wild")) return *(volatile int *)0xfffffff0u;
  return deep(1);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "echo";
  const char *a = argc > 2 ? argv[2] : "", *b = argc > 3 ? argv[3] : "0", *c = argc > 4 ? argv[4] : "0";
  if (!strcmp(what, "naps")) return naps(a, atoi(b), atoi(c));
  if (!strcmp(what, "clocks")) return clocks();
  if (!strcmp(what, "cat")) return cat(a);
  if (!strcmp(what, "sum")) return sum();
  if (!strcmp(what, "polls")) return polls();
  if (!strcmp(what, "selects")) return selects();
  if (!strcmp(what, "nonblock")) return nonblock();
  if (!strcmp(what, "files")) return files(a);
  if (!strcmp(what, "hold")) return hold(a);
  if (!strcmp(what, "closing")) return closing();
  if (!strcmp(what, "flood")) return flood(atoi(a));
  if (!strcmp(what, "serve")) return serve(atoi(a), atoi(b));
  if (!strcmp(what, "yields")) return yields(a, atoi(b));
  if (!strcmp(what, "trap")) return trap(a);
  if (!strcmp(what, "exit")) exit(atoi(a));
  if (!strcmp(what, "random")) {
    char bytes[32] = {0}, none[32] = {0};
    return getentropy(bytes, sizeof bytes) || !memcmp(bytes, none, sizeof bytes);
  }
  return echo(argc, argv);
}
