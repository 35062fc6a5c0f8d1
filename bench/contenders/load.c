// The client of socket benchmarks: many connections, little work each, so that the server is what is measured. Built by
// load.ts. Reads one line, answers one line:
//
//   echo port n total      messages of 64 bytes there and back, one under way on each of n connections     -> count ns
//   ws port n total        the same on websockets                                                          -> count ns
//   connect port n total   connect, one message there and back, close, n at a time                         -> count ns
//   receive port 1 total   connect and count bytes until the end; total in KB                               -> count ns
//   open port n kind       n connections (kind 0: echo, 1: websocket, 2: HTTP) with a first message each    -> count ns
//   round 0 0 0            a message on each open connection (HTTP: none); waits for answers or ends         -> answered ended
//   drop 0 0 0             close all                                                                         -> count 0

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ECHO, WS, HTTP };
enum { MESSAGE = 64, MOST = 65536 };

static const char UPGRADE[] =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
static const char GET[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

typedef struct {
  int fd, kind, missing;
  int shaken;  // bytes seen of the end of a handshake's head
} Line;

static Line lines[MOST];
static int count_lines, poller;
static char message[256], buffer[1 << 18];
static int send_size, answer_size;

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

// Frames have a mask of zeros, which leaves the bytes as they are.
static void shape(int kind) {
  int head = 0;
  memset(message, 'x', sizeof message);
  if (kind == WS) {
    message[0] = (char)0x82;
    message[1] = (char)(0x80 | MESSAGE);
    memset(message + 2, 0, 4);
    head = 6;
  }
  send_size = MESSAGE + head;
  answer_size = MESSAGE + (kind == WS ? 2 : 0);
}

static void put(Line *line, const char *data, int size) {
  while (size > 0) {
    ssize_t sent = send(line->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) continue;
    if (sent < 0) return;  // the end comes by the next read
    data += sent;
    size -= sent;
  }
}

static void ask(Line *line) {
  line->missing = answer_size;
  put(line, message, send_size);
}

static void enter(Line *line, int port, int kind) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (line->fd < 0) fail("socket");
  if (connect(line->fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
  setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  line->kind = kind;
  line->missing = line->shaken = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = line};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, line->fd, &event) < 0) fail("epoll_ctl");
}

static void leave(Line *line) {
  close(line->fd);
  line->fd = -1;
}

// Bytes that came: 0 at the end, and for a connection that was reset.
static int got(Line *line) {
  ssize_t n = recv(line->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN ? -1 : 0;
  return (int)n;
}

static void until_shaken(Line *line) {
  put(line, UPGRADE, sizeof UPGRADE - 1);
  int seen = 0;
  while (seen < 4) {
    char c;
    if (recv(line->fd, &c, 1, 0) != 1) fail("handshake");
    seen = c == (seen % 2 ? '\n' : '\r') ? seen + 1 : c == '\r';
  }
}

static void open_lines(int port, int n, int kind) {
  for (; count_lines < n; ++count_lines) {
    enter(&lines[count_lines], port, kind);
    if (kind == WS) until_shaken(&lines[count_lines]);
  }
}

static int wait_for(struct epoll_event *events, int most) {
  int n = epoll_wait(poller, events, most, 10000);
  if (n == 0) {
    fprintf(stderr, "load: nothing came for ten seconds\n");
    exit(1);
  }
  return n < 0 ? 0 : n;
}

static void echo(int port, int n, int total, int kind) {
  struct epoll_event events[512];
  shape(kind);
  open_lines(port, n, kind);
  int begun = 0, done = 0;
  long long start = now();
  for (int i = 0; i < n && begun < total; ++i, ++begun) ask(&lines[i]);
  while (done < total) {
    int ready = wait_for(events, 512);
    for (int i = 0; i < ready; ++i) {
      Line *line = events[i].data.ptr;
      int size = got(line);
      if (size == 0) fail("echo");
      if (size < 0 || (line->missing -= size) > 0) continue;
      ++done;
      if (begun < total) ++begun, ask(line);
    }
  }
  printf("%d %lld\n", done, now() - start);
}

static void connections(int port, int n, int total) {
  struct epoll_event events[512];
  shape(ECHO);
  int begun = 0, done = 0;
  long long start = now();
  for (; begun < n && begun < total; ++begun) enter(&lines[begun], port, ECHO), ask(&lines[begun]);
  while (done < total) {
    int ready = wait_for(events, 512);
    for (int i = 0; i < ready; ++i) {
      Line *line = events[i].data.ptr;
      int size = got(line);
      if (size < 0) continue;
      // The answer: end our side, and wait for the server's.
      if (size > 0 && (line->missing -= size) <= 0) shutdown(line->fd, SHUT_WR);
      if (size > 0) continue;
      leave(line);
      ++done;
      if (begun < total) ++begun, enter(line, port, ECHO), ask(line);
    }
  }
  printf("%d %lld\n", done, now() - start);
}

static void receive(int port, int total) {
  long long start = now(), sum = 0;
  enter(&lines[0], port, ECHO);
  for (;;) {
    ssize_t n = recv(lines[0].fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    sum += n;
  }
  leave(&lines[0]);
  printf("%d %lld\n", sum == total * 1024LL ? total : 0, now() - start);
}

static void hold(int port, int n, int kind) {
  long long start = now();
  shape(kind);
  open_lines(port, n, kind);
  for (int i = 0; i < n; ++i) {
    if (kind == HTTP) put(&lines[i], GET, sizeof GET - 1);
    else ask(&lines[i]);
  }
  for (int i = 0; i < n && kind != HTTP; ++i) {
    while (lines[i].missing > 0) {
      ssize_t size = recv(lines[i].fd, buffer, sizeof buffer, 0);
      if (size <= 0) fail("first message");
      lines[i].missing -= (int)size;
    }
  }
  printf("%d %lld\n", n, now() - start);
}

static void a_round(void) {
  struct epoll_event events[512];
  int open = 0, answered = 0, ended = 0;
  for (int i = 0; i < count_lines; ++i) {
    if (lines[i].fd < 0) continue;
    ++open;
    if (lines[i].kind != HTTP) ask(&lines[i]);
    else lines[i].missing = 1;
  }
  while (answered + ended < open) {
    int ready = wait_for(events, 512);
    for (int i = 0; i < ready; ++i) {
      Line *line = events[i].data.ptr;
      int size = got(line);
      if (size < 0) continue;
      // A close frame is the end as well: nothing else is under way.
      if (size == 0 || (line->kind == WS && (buffer[0] & 15) == 8)) {
        if (line->missing > 0) ++ended;
        leave(line);
        continue;
      }
      int before = line->missing;
      line->missing -= size;
      if (before > 0 && line->missing <= 0) ++answered;
    }
  }
  printf("%d %d\n", answered, ended);
}

static void drop(void) {
  int n = 0;
  for (int i = 0; i < count_lines; ++i)
    if (lines[i].fd >= 0) leave(&lines[i]), ++n;
  count_lines = 0;
  printf("%d 0\n", n);
}

int main(void) {
  char verb[16];
  int port, n, total;
  poller = epoll_create1(EPOLL_CLOEXEC);
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (scanf("%15s %d %d %d", verb, &port, &n, &total) == 4) {
    if (n > MOST) fail("too many connections");
    if (!strcmp(verb, "echo")) echo(port, n, total, ECHO);
    else if (!strcmp(verb, "ws")) echo(port, n, total, WS);
    else if (!strcmp(verb, "connect")) connections(port, n, total);
    else if (!strcmp(verb, "receive")) receive(port, total);
    else if (!strcmp(verb, "open")) hold(port, n, total);
    else if (!strcmp(verb, "round")) a_round();
    else if (!strcmp(verb, "drop")) drop();
  }
  return 0;
}
