/*
 * Synthetic agents: each a WebSocket connection to the gateway that speaks the agent protocol and answers every request
 * with numbered tokens and their ids, without an engine. What they cannot do, signing, their parent does for them.
 *
 *   agents port=P agents=N capability=FILE [tokens=64] [every=US] [merge=0]
 *
 * `every`: microseconds between a stream's tokens; 0: all at once, each in a frame of its own. `merge=1`: then in one
 * frame. Each frame is a message, and those of one turn leave in one write, as from the real agent.
 * Out: `challenge INDEX JSON`, then `ready`. In: `hello INDEX JSON`. Ends with its input, and prints its counts.
 */
#include "tools.h"

enum { CHALLENGE = 1, HELLO = 2, ADMIT = 3, DENY = 4, CAPABILITY = 5, HEARTBEAT = 6, REQUEST = 10, STARTED = 11, DATA = 12, END = 14, CANCEL = 16, CREDIT = 17 };
#define HEARTBEAT_NS 2000000000L
#define FRAME_HEAD 12
#define OUT_MAX (1 << 20)

typedef struct stream {
  uint32_t id;
  int sent;
  long due;
  struct stream *next;
} stream;

typedef struct {
  int fd, index, is_open;
  char *in;
  int in_length, in_room;
  char *out;
  int out_length;
  long beat;
  stream *streams;
} agent;

static agent *agents;
static int agent_count, tokens, is_merged, admitted;
static long every, requests, cancels, active;
static char *capability, *chunks[256];
static int chunk_length[256];
static stream *spare;

static void put32(char *at, uint32_t value) {
  at[0] = value >> 24;
  at[1] = value >> 16;
  at[2] = value >> 8;
  at[3] = value;
}
static uint32_t get32(const char *at) {
  const unsigned char *b = (const unsigned char *)at;
  return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

/* One WebSocket message, masked as a client's must be. */
static void add_message(agent *a, int opcode, const char *bytes, int length) {
  static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
  int head = 2;
  if (a->out_length + length + 16 > OUT_MAX) {
    fprintf(stderr, "an agent has more to say than fits\n");
    exit(1);
  }
  char *wire = a->out + a->out_length;
  wire[0] = 0x80 | opcode;
  if (length < 126) wire[1] = 0x80 | length;
  else if (length < 65536) {
    wire[1] = 0x80 | 126;
    wire[2] = length >> 8;
    wire[3] = length;
    head = 4;
  } else {
    wire[1] = 0x80 | 127;
    put32(wire + 2, 0);
    put32(wire + 6, length);
    head = 10;
  }
  memcpy(wire + head, mask, 4);
  head += 4;
  for (int i = 0; i < length; i++) wire[head + i] = bytes[i] ^ mask[i & 3];
  a->out_length += head + length;
}

static void add_frame(agent *a, int type, uint32_t id, const char *payload, int length) {
  static char frame[1 << 16];
  frame[0] = type;
  frame[1] = frame[2] = frame[3] = 0;
  put32(frame + 4, id);
  put32(frame + 8, length);
  memcpy(frame + FRAME_HEAD, payload, length);
  add_message(a, 2, frame, FRAME_HEAD + length);
}

static void flush_frames(agent *a) {
  if (a->out_length == 0) return;
  if (!write_all(a->fd, a->out, a->out_length)) die("an agent's connection");
  a->out_length = 0;
}

/* `count` tokens from `from` on in one data frame: u16 count, the ids, the text. */
static int make_data(char *into, int from, int count) {
  int at = 2;
  into[0] = count >> 8;
  into[1] = count;
  for (int i = 0; i < count; i++, at += 4) put32(into + at, 1000 + from + i);
  for (int i = 0; i < count; i++) at += sprintf(into + at, "tok%02d ", (from + i) % 100);
  return at;
}

static void end_stream(agent *a, uint32_t id) {
  char end[128];
  int length = sprintf(end, "{\"finishReason\":\"stop\",\"promptTokens\":42,\"completionTokens\":%d}", tokens);
  add_frame(a, END, id, end, length);
}

static void begin_stream(agent *a, uint32_t id, long now) {
  requests++;
  add_frame(a, STARTED, id, "{\"promptTokens\":42}", 19);
  if (every == 0) {
    if (is_merged) {
      char data[2 + 256 * 10];
      add_frame(a, DATA, id, data, make_data(data, 0, tokens));
    } else {
      for (int i = 0; i < tokens; i++) add_frame(a, DATA, id, chunks[i], chunk_length[i]);
    }
    return end_stream(a, id);
  }
  add_frame(a, DATA, id, chunks[0], chunk_length[0]);
  stream *s = spare ? spare : malloc(sizeof *s);
  if (s == spare) spare = s->next;
  *s = (stream){.id = id, .sent = 1, .due = now + every, .next = a->streams};
  a->streams = s;
  active++;
}

static void drop_stream(stream **at) {
  stream *s = *at;
  *at = s->next;
  s->next = spare;
  spare = s;
  active--;
}

static void advance(agent *a, long now) {
  for (stream **at = &a->streams; *at;) {
    stream *s = *at;
    for (; s->due <= now && s->sent < tokens; s->due += every, s->sent++)
      add_frame(a, DATA, s->id, chunks[s->sent], chunk_length[s->sent]);
    if (s->sent >= tokens) {
      end_stream(a, s->id);
      drop_stream(at);
    } else at = &s->next;
  }
}

static void take_frame(agent *a, int type, uint32_t id, const char *payload, int length, long now) {
  switch (type) {
    case CHALLENGE:
      printf("challenge %d %.*s\n", a->index, length, payload);
      fflush(stdout);
      return;
    case ADMIT:
      add_frame(a, CAPABILITY, 0, capability, strlen(capability));
      a->beat = now + HEARTBEAT_NS * (a->index + 1) / (agent_count + 1);
      if (++admitted == agent_count) {
        printf("ready\n");
        fflush(stdout);
      }
      return;
    case DENY:
      fprintf(stderr, "an agent was denied: %.*s\n", length, payload);
      exit(1);
    case REQUEST:
      return begin_stream(a, id, now);
    case CANCEL:
      cancels++;
      for (stream **at = &a->streams; *at; at = &(*at)->next)
        if ((*at)->id == id) return drop_stream(at);
      return;
    case CREDIT:
      return;
  }
}

static void take_message(agent *a, int opcode, char *bytes, long length, long now) {
  if (opcode == 9) return add_message(a, 10, bytes, length);
  if (opcode == 8) {
    fprintf(stderr, "the gateway closed an agent: %.*s\n", (int)(length > 2 ? length - 2 : 0), bytes + 2);
    exit(1);
  }
  for (long at = 0; at + FRAME_HEAD <= length;) {
    int payload = get32(bytes + at + 8);
    take_frame(a, bytes[at], get32(bytes + at + 4), bytes + at + FRAME_HEAD, payload, now);
    at += FRAME_HEAD + payload;
  }
}

static void receive(agent *a, long now) {
  if (a->in_room - a->in_length < 65536) a->in = realloc(a->in, a->in_room += 131072);
  ssize_t got = recv(a->fd, a->in + a->in_length, a->in_room - a->in_length, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    fprintf(stderr, "the gateway dropped an agent\n");
    exit(1);
  }
  a->in_length += got;
  long at = 0;
  if (!a->is_open) {
    char *end = memmem(a->in, a->in_length, "\r\n\r\n", 4);
    if (!end) return;
    if (strncmp(a->in + 9, "101", 3)) {
      fprintf(stderr, "the gateway took no link: %.*s\n", a->in_length, a->in);
      exit(1);
    }
    a->is_open = 1;
    at = end - a->in + 4;
  }
  while (a->in_length - at >= 2) {
    unsigned char *head = (unsigned char *)a->in + at;
    long length = head[1] & 127;
    int size = 2;
    if (length == 126) {
      if (a->in_length - at < 4) break;
      length = head[2] << 8 | head[3];
      size = 4;
    } else if (length == 127) {
      if (a->in_length - at < 10) break;
      length = get32((char *)head + 6);
      size = 10;
    }
    if (a->in_length - at < size + length) break;
    take_message(a, head[0] & 15, a->in + at + size, length, now);
    at += size + length;
  }
  memmove(a->in, a->in + at, a->in_length - at);
  a->in_length -= at;
  flush_frames(a);
}

static void take_input(void) {
  static char text[1 << 16];
  static int length;
  ssize_t got = read(0, text + length, sizeof text - 1 - length);
  if (got <= 0) {
    printf("{\"requests\":%ld,\"cancels\":%ld,\"active\":%ld}\n", requests, cancels, active);
    exit(0);
  }
  length += got;
  text[length] = 0;
  char *line = text, *end;
  for (; (end = strchr(line, '\n')); line = end + 1) {
    *end = 0;
    int index, offset;
    if (sscanf(line, "hello %d %n", &index, &offset) != 1) continue;
    add_frame(&agents[index], HELLO, 0, line + offset, strlen(line + offset));
    flush_frames(&agents[index]);
  }
  length -= line - text;
  memmove(text, line, length + 1);
}

int main(int count, char **values) {
  argument_count = count;
  arguments = values;
  signal(SIGPIPE, SIG_IGN);
  int port = number_of("port", 0);
  agent_count = number_of("agents", 1);
  tokens = number_of("tokens", 64);
  every = (long)(number_of("every", 0) * 1e3);
  is_merged = number_of("merge", 0);
  capability = file_of(text_of("capability", ""));
  for (int i = 0; i < tokens && i < 256; i++) {
    chunks[i] = malloc(32);
    chunk_length[i] = make_data(chunks[i], i, 1);
  }
  int epoll = epoll_create1(0);
  agents = calloc(agent_count, sizeof *agents);
  static const char upgrade[] =
    "GET /agent HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  for (int i = 0; i < agent_count; i++) {
    agents[i] = (agent){.fd = connect_to(port), .index = i, .out = malloc(OUT_MAX), .beat = INT64_MAX};
    write_all(agents[i].fd, upgrade, sizeof upgrade - 1);
    watch(epoll, agents[i].fd, &agents[i]);
  }
  watch(epoll, 0, NULL);
  struct epoll_event events[512];
  for (;;) {
    int ready = epoll_wait(epoll, events, 512, active > 0 ? 1 : 50);
    long now = now_ns();
    for (int i = 0; i < ready; i++) {
      if (events[i].data.ptr) receive(events[i].data.ptr, now);
      else take_input();
    }
    now = now_ns();
    for (int i = 0; i < agent_count; i++) {
      agent *a = &agents[i];
      if (a->streams) advance(a, now);
      if (a->beat <= now) {
        add_frame(a, HEARTBEAT, 0, "\0\0\0\0\0\0\0\0", 8);
        a->beat += HEARTBEAT_NS;
      }
      flush_frames(a);
    }
  }
}
