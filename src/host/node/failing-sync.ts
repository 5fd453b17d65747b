/** For tests: a disk whose syncs of a SQLite log fail, from some number on, as a broken one's do. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int count;

static int fails(int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 4 || strncmp(path + length - 4, "-wal", 4) != 0) return 0;
  if (__atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) <= atoi(getenv("FAIL_SYNC_AFTER"))) return 0;
  errno = EIO;
  return 1;
}

int fsync(int file) {
  return fails(file) ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int fdatasync(int file) {
  return fails(file) ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
`

/** The environment in which a process has that disk, its parts made in `folder`; or why it cannot be had here. */
export function failingSyncEnv(folder: string, failAfter: number): NodeJS.ProcessEnv | string {
  if (process.platform !== 'linux') return 'only Linux lets a test stand in for the C library'
  const library = join(folder, 'failing-sync.so')
  writeFileSync(join(folder, 'failing-sync.c'), SOURCE)
  const made = spawnSync('gcc', ['-shared', '-fPIC', '-o', library, join(folder, 'failing-sync.c'), '-ldl'])
  if (made.error) return 'gcc is not installed'
  if (made.status !== 0) return `gcc does not make the library: ${made.stderr}`
  return { ...process.env, LD_PRELOAD: library, FAIL_SYNC_AFTER: String(failAfter) }
}
