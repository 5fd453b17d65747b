/*
 * Sends chat completions over HTTP/1.1 and times the answers; checks each token of a stream by its number.
 *
 *   load port=P conns=N seconds=S [warm=S] [stream=1] [rate=R] [ramp=S] [tokens=64] [model=M] [headers=FILE] [keys=FILE] [pad=BYTES]
 *
 * Closed loop: each connection asks again once it was answered. `rate`: open loop, so many a second in all, timed from
 * when each was due. `ramp`: connections begin one after the other over so many seconds. `keys`: one API key a line, which the
 * connections share out. Prints `measuring` when the warm-up is over, and one line of JSON at the end.
 */
#include "tools.h"
#include <sys/resource.h>

typedef struct {
  const char *request;
  size_t request_length;
  int fd, is_busy, is_chunked, has_head, is_event;
  long due, first, last, body_left, chunk_left;
  int chunk_state;
  int head_length, line_length, tokens, is_done;
  char head[4096], line[4096];
} connection;

static int port, epoll, is_stream, tokens_wanted;
static long measure_from, measure_until;
static long requests, errors, tokens_seen, wrong_tokens, statuses, bytes_read;
static sample_list totals, firsts, gaps;

static void open_connection(connection *c) {
  c->fd = connect_to(port);
  c->is_busy = 0;
  watch(epoll, c->fd, c);
}

static void ask(connection *c, long due) {
  c->is_busy = 1;
  c->due = due;
  c->first = c->last = 0;
  c->has_head = c->is_chunked = c->chunk_state = c->head_length = c->line_length = c->tokens = c->is_done = 0;
  c->body_left = -1;
  c->chunk_left = 0;
  if (!write_all(c->fd, c->request, c->request_length)) errors++;
}

static void take_tokens(connection *c, const char *text, const char *end, long now) {
  /* `tok07 ` is token 7: all of them, each once, in order. */
  for (const char *at = text; (at = memmem(at, end - at, "tok", 3)); at += 3) {
    if (end - at < 5) break;
    int number = (at[3] - '0') * 10 + (at[4] - '0');
    if (number != c->tokens % 100) wrong_tokens++;
    c->tokens++;
    if (now < measure_from || now >= measure_until) continue;
    tokens_seen++;
  }
  if (is_stream) {
    if (c->last && now >= measure_from) keep(&gaps, now - c->last);
    c->last = now;
  }
}

static void take_line(connection *c, long now) {
  c->line[c->line_length] = 0;
  if (!strncmp(c->line, "data: ", 6)) {
    if (!strcmp(c->line + 6, "[DONE]")) c->is_done = 1;
    else {
      char *content = strstr(c->line, "\"content\":\"tok");
      if (content) {
        if (!c->first) c->first = now;
        char *end = strchr(content + 11, '"');
        take_tokens(c, content + 11, end ? end : c->line + c->line_length, now);
      }
    }
  }
  c->line_length = 0;
}

static void take_body(connection *c, const char *bytes, long length, long now) {
  if (!is_stream) {
    if (!c->first) c->first = now;
    return;
  }
  for (long i = 0; i < length; i++) {
    if (bytes[i] == '\n') take_line(c, now);
    else if (c->line_length < (int)sizeof c->line - 1) c->line[c->line_length++] = bytes[i];
  }
}

/* True once the last chunk was read whole. */
static int take_chunks(connection *c, const char *bytes, long length, long now) {
  for (long i = 0; i < length;) {
    switch (c->chunk_state) {
      case 0: { /* size */
        char digit = bytes[i++];
        if (digit == '\n') {
          c->chunk_state = c->chunk_left == 0 ? 3 : 1;
        } else if (digit != '\r') {
          int value = digit >= 'a' ? digit - 'a' + 10 : digit >= 'A' ? digit - 'A' + 10 : digit - '0';
          c->chunk_left = c->chunk_left * 16 + value;
        }
        break;
      }
      case 1: { /* data */
        long taken = length - i < c->chunk_left ? length - i : c->chunk_left;
        take_body(c, bytes + i, taken, now);
        i += taken;
        c->chunk_left -= taken;
        if (c->chunk_left == 0) c->chunk_state = 2;
        break;
      }
      case 2: /* its line end */
        if (bytes[i++] == '\n') c->chunk_state = 0;
        break;
      default: /* the empty line behind the last */
        if (bytes[i++] == '\n') return 1;
    }
  }
  return 0;
}

static void over(connection *c, long now) {
  if (is_stream && (c->tokens != tokens_wanted || !c->is_done)) errors++;
  if (now >= measure_from && now < measure_until) {
    requests++;
    keep(&totals, now - c->due);
    if (c->first) keep(&firsts, c->first - c->due);
  }
  c->is_busy = 0;
}

static void receive(connection *c, const char *bytes, long length, long now) {
  bytes_read += length;
  if (!c->has_head) {
    int room = sizeof c->head - 1 - c->head_length;
    int copied = length < room ? length : room;
    memcpy(c->head + c->head_length, bytes, copied);
    int before = c->head_length;
    c->head_length += copied;
    c->head[c->head_length] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return;
    int head = end - c->head + 4;
    end[2] = 0;
    if (strncmp(c->head + 9, "200", 3)) {
      errors++;
      if (statuses++ == 0) fprintf(stderr, "%.300s\n%.300s\n", c->head, end + 4);
    }
    char *announced = strcasestr(c->head, "\ncontent-length:");
    if (announced) c->body_left = atol(announced + 16);
    c->is_chunked = strcasestr(c->head, "\ntransfer-encoding: chunked") != NULL;
    c->has_head = 1;
    bytes += head - before;
    length -= head - before;
  }
  if (length <= 0 && c->body_left != 0) return;
  if (c->is_chunked) {
    if (take_chunks(c, bytes, length, now)) over(c, now);
    return;
  }
  take_body(c, bytes, length, now);
  c->body_left -= length;
  if (c->body_left <= 0) {
    if (is_stream) take_line(c, now);
    over(c, now);
  }
}

static long cpu_micros(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static char *body;
static int body_length;

static void make_body(void) {
  int pad = number_of("pad", 0);
  char *filler = malloc(pad + 1);
  memset(filler, 'x', pad);
  filler[pad] = 0;
  body = malloc(pad + 4096);
  body_length = sprintf(body,
    "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"},"
    "{\"role\":\"user\",\"content\":\"Explain how a token router works in two sentences.%s\"}],"
    "\"max_tokens\":%d,\"temperature\":0.7%s}",
    text_of("model", "bench"), filler, tokens_wanted,
    is_stream ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" : "");
}

static void give_request(connection *c, const char *headers, const char *key, int key_length) {
  char *text = malloc(body_length + strlen(headers) + key_length + 1024);
  c->request_length = sprintf(text,
    "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
    "Authorization: Bearer %.*s\r\n%sContent-Length: %d\r\n\r\n%s",
    port, key_length, key, headers, body_length, body);
  c->request = text;
}

static void give_requests(connection *all, int conns) {
  const char *headers_file = text_of("headers", NULL), *keys_file = text_of("keys", NULL);
  const char *headers = headers_file ? file_of(headers_file) : "";
  const char *keys = keys_file ? file_of(keys_file) : "none\n", *key = keys;
  make_body();
  for (int i = 0; i < conns; i++) {
    if (!*key) key = keys;
    int length = strcspn(key, "\n");
    give_request(&all[i], headers, key, length);
    key += length;
    if (*key) key++;
  }
}

int main(int count, char **values) {
  argument_count = count;
  arguments = values;
  signal(SIGPIPE, SIG_IGN);
  port = number_of("port", 0);
  is_stream = number_of("stream", 0);
  tokens_wanted = number_of("tokens", 64);
  int conns = number_of("conns", 1);
  double rate = number_of("rate", 0);
  double ramp = number_of("ramp", 0);
  epoll = epoll_create1(0);
  connection *all = calloc(conns, sizeof *all);
  give_requests(all, conns);
  long begun = now_ns();
  measure_from = begun + (long)(number_of("warm", 1) * 1e9);
  measure_until = measure_from + (long)(number_of("seconds", 5) * 1e9);
  int opened = 0;
  if (ramp <= 0) for (; opened < conns; opened++) open_connection(&all[opened]);
  if (rate <= 0) for (int i = 0; i < opened; i++) ask(&all[i], now_ns());
  static long due_list[1 << 20];
  const long mask = (1 << 20) - 1;
  long due_head = 0, due_tail = 0, due_count = 0;
  int turn = 0;
  static char buffer[262144];
  struct epoll_event events[512];
  int is_measuring = 0;
  long cpu_before = 0;
  for (long now = now_ns(); now < measure_until; now = now_ns()) {
    long wait = 100000000L;
    if (!is_measuring && now >= measure_from) {
      is_measuring = 1;
      cpu_before = cpu_micros();
      printf("measuring\n");
      fflush(stdout);
    }
    if (opened < conns) {
      long step = (long)(ramp * 1e9 / conns);
      while (opened < conns && begun + opened * step <= now) {
        open_connection(&all[opened]);
        ask(&all[opened++], now_ns());
      }
      if (opened < conns) wait = begun + opened * step - now;
    }
    if (rate > 0) {
      while (begun + (long)(due_count * 1e9 / rate) <= now && due_tail - due_head < mask)
        due_list[due_tail++ & mask] = begun + (long)(due_count++ * 1e9 / rate);
      while (due_head < due_tail) {
        int found = -1;
        for (int i = 0; i < conns && found < 0; i++)
          if (!all[(turn + i) % conns].is_busy) found = (turn + i) % conns;
        if (found < 0) break;
        turn = (found + 1) % conns;
        ask(&all[found], due_list[due_head++ & mask]);
      }
      long next = begun + (long)(due_count * 1e9 / rate) - now_ns();
      if (next < wait) wait = next < 0 ? 0 : next;
    }
    struct timespec timeout = {wait / 1000000000L, wait % 1000000000L};
    int ready = epoll_pwait2(epoll, events, 512, &timeout, NULL);
    for (int i = 0; i < ready; i++) {
      connection *c = events[i].data.ptr;
      ssize_t length = recv(c->fd, buffer, sizeof buffer, 0);
      if (length < 0 && errno == EAGAIN) continue;
      if (length <= 0) {
        if (c->is_busy) errors++;
        close(c->fd);
        open_connection(c);
      } else if (c->is_busy) {
        receive(c, buffer, length, now_ns());
      }
      if (!c->is_busy && rate <= 0) ask(c, now_ns());
    }
  }
  double seconds = (measure_until - measure_from) / 1e9;
  printf("{\"requests\":%ld,\"seconds\":%.3f,\"perSecond\":%.1f,\"errors\":%ld,\"tokens\":%ld,\"tokensPerSecond\":%.1f,\"wrongTokens\":%ld,\"bytes\":%ld,\"late\":%ld,\"cpuMicros\":%ld,",
    requests, seconds, requests / seconds, errors, tokens_seen, tokens_seen / seconds, wrong_tokens, bytes_read, due_tail - due_head, cpu_micros() - cpu_before);
  print_spread("first", &firsts);
  printf(",");
  print_spread("total", &totals);
  printf(",");
  print_spread("gap", &gaps);
  printf("}\n");
  return 0;
}
