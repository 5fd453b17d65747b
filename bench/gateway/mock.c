/*
 * An upstream in OpenAI's shape, for the proxies that stand beside the gateway: a whole JSON answer, or a stream of numbered
 * tokens, each in a chunk of its own.
 *
 *   mock port=P [tokens=64] [every=US]
 *
 * `every`: microseconds between a stream's tokens; 0: all in one write. Prints `ready`.
 */
#include "tools.h"

#define CONNECTIONS_MAX 65536

typedef struct {
  char *in;
  int length, room;
  int is_streaming, sent;
  long due;
} connection;

static connection *connections[CONNECTIONS_MAX];
static int streaming[CONNECTIONS_MAX], streaming_count;
static int tokens, frame_count, frame_lengths[300];
static long every;
static char *frames[300], *whole, *burst;
static int whole_length, burst_length;
static const char HEAD[] =
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
  "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";
#define ENVELOPE "\"id\":\"chatcmpl-mock0123456789\",\"created\":1700000000,\"model\":\"bench\","

static void add_frame(const char *payload) {
  char *frame = malloc(strlen(payload) + 32);
  frame_lengths[frame_count] = sprintf(frame, "%zx\r\n%s\r\n", strlen(payload), payload);
  frames[frame_count++] = frame;
}

static void make_answers(void) {
  char text[1024], *content = malloc(tokens * 8 + 16);
  int at = 0;
  for (int i = 0; i < tokens; i++) {
    at += sprintf(content + at, "tok%02d ", i % 100);
    sprintf(text,
      "data: {" ENVELOPE "\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"fp_mock\",\"choices\":[{\"index\":0,"
      "\"delta\":{%s\"content\":\"tok%02d \"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
      i == 0 ? "\"role\":\"assistant\"," : "", i % 100);
    add_frame(text);
  }
  add_frame("data: {" ENVELOPE "\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n");
  sprintf(text,
    "data: {" ENVELOPE "\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":42,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
    tokens, tokens + 42);
  add_frame(text);
  add_frame("data: [DONE]\n\n");
  frames[frame_count] = "0\r\n\r\n";
  frame_lengths[frame_count++] = 5;
  burst = malloc(sizeof HEAD + 300 * 512);
  burst_length = sprintf(burst, "%s", HEAD);
  for (int i = 0; i < frame_count; i++) burst_length += sprintf(burst + burst_length, "%s", frames[i]);
  char *body = malloc(tokens * 8 + 1024);
  int length = sprintf(body,
    "{" ENVELOPE "\"object\":\"chat.completion\",\"system_fingerprint\":\"fp_mock\",\"choices\":[{\"index\":0,\"message\":"
    "{\"role\":\"assistant\",\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":42,\"completion_tokens\":%d,\"total_tokens\":%d}}",
    content, tokens, tokens + 42);
  whole = malloc(length + 256);
  whole_length = sprintf(whole,
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s", length, body);
}

static void stop_streaming(int fd) {
  for (int i = 0; i < streaming_count; i++)
    if (streaming[i] == fd) {
      streaming[i] = streaming[--streaming_count];
      return;
    }
}

static void drop(int fd) {
  if (connections[fd]->is_streaming) stop_streaming(fd);
  free(connections[fd]->in);
  free(connections[fd]);
  connections[fd] = NULL;
  close(fd);
}

static void answer(int fd, connection *c, const char *body, long length, long now) {
  if (!memmem(body, length, "\"stream\":true", 13)) {
    write_all(fd, whole, whole_length);
  } else if (every == 0) {
    write_all(fd, burst, burst_length);
  } else {
    write_all(fd, HEAD, sizeof HEAD - 1);
    write_all(fd, frames[0], frame_lengths[0]);
    c->is_streaming = 1;
    c->sent = 1;
    c->due = now + every;
    streaming[streaming_count++] = fd;
  }
}

/* Length of the first whole request, 0 while it is not whole. Chunked bodies are sent by some proxies. */
static long request_length(connection *c, char **body, long *body_length) {
  c->in[c->length] = 0;
  char *end = strstr(c->in, "\r\n\r\n");
  if (!end) return 0;
  long head = end - c->in + 4;
  *body = c->in + head;
  *end = 0;
  char *announced = strcasestr(c->in, "\ncontent-length:");
  int is_chunked = strcasestr(c->in, "\ntransfer-encoding: chunked") != NULL;
  *end = '\r';
  if (!is_chunked) {
    *body_length = announced ? atol(announced + 16) : 0;
    return c->length < head + *body_length ? 0 : head + *body_length;
  }
  char *last = memmem(*body, c->length - head, "\r\n0\r\n\r\n", 7);
  if (!last) return 0;
  *body_length = last - *body;
  return last + 7 - c->in;
}

static void receive(int fd) {
  connection *c = connections[fd];
  if (c->room - c->length < 65537) c->in = realloc(c->in, c->room += 131072);
  ssize_t got = recv(fd, c->in + c->length, c->room - c->length - 1, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return drop(fd);
  c->length += got;
  for (;;) {
    char *body;
    long body_length, length = request_length(c, &body, &body_length);
    if (length == 0) return;
    answer(fd, c, body, body_length, now_ns());
    memmove(c->in, c->in + length, c->length - length);
    c->length -= length;
  }
}

static void advance(long now) {
  for (int i = 0; i < streaming_count;) {
    int fd = streaming[i];
    connection *c = connections[fd];
    for (; c->due <= now && c->sent < tokens; c->due += every, c->sent++)
      write_all(fd, frames[c->sent], frame_lengths[c->sent]);
    if (c->sent < tokens) {
      i++;
      continue;
    }
    for (int frame = tokens; frame < frame_count; frame++) write_all(fd, frames[frame], frame_lengths[frame]);
    c->is_streaming = 0;
    streaming[i] = streaming[--streaming_count];
  }
}

int main(int count, char **values) {
  argument_count = count;
  arguments = values;
  signal(SIGPIPE, SIG_IGN);
  tokens = number_of("tokens", 64);
  every = (long)(number_of("every", 0) * 1e3);
  make_answers();
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((int)number_of("port", 0))};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (bind(server, (void *)&address, sizeof address) || listen(server, 4096)) die("listen");
  fcntl(server, F_SETFL, O_NONBLOCK);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = server};
  epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event);
  printf("ready\n");
  fflush(stdout);
  struct epoll_event events[512];
  for (;;) {
    int ready = epoll_wait(epoll, events, 512, streaming_count > 0 ? 1 : -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd != server) {
        if (connections[fd]) receive(fd);
        continue;
      }
      int accepted;
      while ((accepted = accept(server, NULL, NULL)) >= 0) {
        if (accepted >= CONNECTIONS_MAX) {
          close(accepted);
          continue;
        }
        make_eager(accepted);
        connections[accepted] = calloc(1, sizeof(connection));
        event.data.fd = accepted;
        epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &event);
      }
    }
    if (streaming_count > 0) advance(now_ns());
  }
}
