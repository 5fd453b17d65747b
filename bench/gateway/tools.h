/* What the three load tools share: time, arguments `name=value`, sockets, percentiles. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int argument_count;
static char **arguments;

static long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static const char *text_of(const char *name, const char *otherwise) {
  size_t length = strlen(name);
  for (int i = 1; i < argument_count; i++)
    if (!strncmp(arguments[i], name, length) && arguments[i][length] == '=') return arguments[i] + length + 1;
  return otherwise;
}

static double number_of(const char *name, double otherwise) {
  const char *text = text_of(name, NULL);
  return text ? atof(text) : otherwise;
}

static char *file_of(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) die(path);
  fseek(file, 0, SEEK_END);
  long length = ftell(file);
  rewind(file);
  char *text = malloc(length + 1);
  if (fread(text, 1, length, file) != (size_t)length) die(path);
  text[length] = 0;
  fclose(file);
  return text;
}

static void make_eager(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
}

/* To a server on this machine; ready when it returns. */
static int connect_to(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (connect(fd, (void *)&address, sizeof address)) die("connect");
  make_eager(fd);
  return fd;
}

/* All of it, waiting where the reader is slow. False when the peer is gone. */
static int write_all(int fd, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t written = send(fd, at, length, MSG_NOSIGNAL);
    if (written < 0) {
      if (errno != EAGAIN) return 0;
      usleep(20);
      continue;
    }
    at += written;
    length -= written;
  }
  return 1;
}

static void watch(int epoll, int fd, void *who) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Sorts at the end; what comes beyond its room is counted and not kept. */
typedef struct {
  int64_t *values;
  long count, room, dropped;
} sample_list;

static void keep(sample_list *list, int64_t value) {
  if (list->count == list->room) {
    if (list->room >= 16000000) {
      list->dropped++;
      return;
    }
    list->room = list->room ? list->room * 2 : 65536;
    list->values = realloc(list->values, list->room * sizeof *list->values);
  }
  list->values[list->count++] = value;
}

static int by_size(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

/* `"name":{"p50":…}` in microseconds. */
static void print_spread(const char *name, sample_list *list) {
  if (list->count == 0) {
    printf("\"%s\":null", name);
    return;
  }
  qsort(list->values, list->count, sizeof *list->values, by_size);
#define AT(share) (list->values[(long)((list->count - 1) * (share))] / 1e3)
  printf("\"%s\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name, AT(0.5), AT(0.9), AT(0.99), AT(1.0));
#undef AT
}
