/*
 * Preloaded into a process, it moves the clock and harms the disk as a shared file says: bytes 0 to 7 are what is added to the wall
 * clock, in nanoseconds; bytes 8 to 11 are 0 for syncs that work, 1 for syncs that fail with EIO, and else the milliseconds that each
 * takes longer. Written by chaos-libc.ts while the process runs. The monotonic clock is left alone, as a step of the time does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
  int64_t offset_ns;
  int32_t sync;
};

static volatile struct faults *faults;

__attribute__((constructor)) static void open_faults(void) {
  const char *path = getenv("CHAOS_FAULTS");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *at = mmap(0, sizeof(struct faults), PROT_READ, MAP_SHARED, file, 0);
  if (at != MAP_FAILED) faults = at;
  close(file);
}

static void shift(struct timespec *t) {
  if (!faults) return;
  int64_t ns = t->tv_nsec + faults->offset_ns % 1000000000;
  t->tv_sec += faults->offset_ns / 1000000000;
  if (ns < 0) ns += 1000000000, t->tv_sec--;
  if (ns >= 1000000000) ns -= 1000000000, t->tv_sec++;
  t->tv_nsec = ns;
}

int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int code = real(id, t);
  if (code == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) shift(t);
  return code;
}

int gettimeofday(struct timeval *t, void *zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

static int disturb(void) {
  int32_t how = faults ? faults->sync : 0;
  if (how == 1) {
    errno = EIO;
    return -1;
  }
  if (how > 1) usleep(how * 1000);
  return 0;
}

int fsync(int file) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fsync");
  return disturb() ? -1 : real(file);
}

int fdatasync(int file) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  return disturb() ? -1 : real(file);
}
