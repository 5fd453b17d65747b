/**
 * The program that computes proofs on a card, as C: it is compiled where it runs, with what is there (`cc` for OpenCL, whose
 * library it opens by name; `nvcc` for CUDA), so that installing builds nothing. It reads a line and answers one:
 *
 *     list                                   device <n> <uuid or -> <MiB> <name> … end
 *     begin <n> <rows> <width> <rounds>      ok
 *     round <i> <six words of its seed>      root <hex>
 *     row <i> <row>                          row <hex> <hash beside> …
 *     drop                                   ok
 *
 * Anything else, and whatever fails, is answered `error <text>`.
 */
import { type KernelKind, kernelSource } from '#verify/hardware/kernel-source.ts'

const common = String.raw`
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef unsigned long long size64;
static mem_t rounds_of[17], trees_of[17], weights_of;
static size64 rows_now; static unsigned width_now, rounds_now; static int is_begun;

static void drop_all(void) {
  if (!is_begun) return;
  for (unsigned i = 0; i <= rounds_now; i++) dev_free(rounds_of[i]);
  for (unsigned i = 0; i < rounds_now; i++) dev_free(trees_of[i]);
  dev_free(weights_of);
  is_begun = 0;
}
static int begin_all(int device, size64 rows, unsigned width, unsigned rounds) {
  drop_all();
  if (rounds < 1 || rounds > 16 || width < 4 || width > 4096 || rows < 2) return 0;
  if (!dev_open(device)) return 0;
  rows_now = rows; width_now = width; rounds_now = rounds; is_begun = 1;
  memset(rounds_of, 0, sizeof rounds_of); memset(trees_of, 0, sizeof trees_of); weights_of = 0;
  int ok = (weights_of = dev_alloc((size64)width * width)) != 0;
  for (unsigned i = 0; ok && i <= rounds; i++) ok = (rounds_of[i] = dev_alloc(rows * width)) != 0;
  for (unsigned i = 0; ok && i < rounds; i++) ok = (trees_of[i] = dev_alloc(rows * 64)) != 0;
  if (!ok) drop_all();
  return ok;
}
static int one_round(unsigned i, const unsigned *w, unsigned char *root) {
  size64 quarter = width_now / 4;
  if (i == 0 && !run_make_first(rounds_of[0], rows_now, width_now, w[0], w[1], rows_now * quarter)) return 0;
  if (!run_make_weights(weights_of, width_now, w[2], w[3], width_now * quarter)) return 0;
  if (!run_multiply(rounds_of[i], weights_of, rounds_of[i + 1], rows_now, width_now, i == 0 ? 1u : (w[4] | 1u), i == 0 ? 0u : w[5], rows_now * width_now)) return 0;
  if (!run_hash_leaves(rounds_of[i + 1], trees_of[i], rows_now, width_now, rows_now)) return 0;
  for (size64 first = rows_now / 2; first >= 1; first /= 2)
    if (!run_hash_level(trees_of[i], first, first)) return 0;
  return dev_read(trees_of[i], 32, 32, root);
}
static void print_hex(const unsigned char *bytes, unsigned length) {
  for (unsigned i = 0; i < length; i++) printf("%02x", bytes[i]);
}
static int show_row(unsigned i, size64 row) {
  static unsigned char bytes[4096]; unsigned char hash[32];
  if (i >= rounds_now || row >= rows_now || !dev_read(rounds_of[i + 1], row * width_now, width_now, bytes)) return 0;
  printf("row "); print_hex(bytes, width_now);
  for (size64 at = rows_now + row; at > 1; at /= 2) {
    if (!dev_read(trees_of[i], (at ^ 1) * 32, 32, hash)) return 0;
    printf(" "); print_hex(hash, 32);
  }
  printf("\n");
  return 1;
}
int main(void) {
  static char line[1024]; unsigned char root[32];
  setvbuf(stdout, 0, _IOLBF, 1 << 16);
  while (fgets(line, sizeof line, stdin)) {
    int device; unsigned long long rows, row; unsigned width, rounds, i, w[6];
    if (!strncmp(line, "list", 4)) { dev_list(); printf("end\n"); }
    else if (sscanf(line, "begin %d %llu %u %u", &device, &rows, &width, &rounds) == 4)
      printf(begin_all(device, rows, width, rounds) ? "ok\n" : "error memory\n");
    else if (sscanf(line, "round %u %x %x %x %x %x %x", &i, w, w + 1, w + 2, w + 3, w + 4, w + 5) == 7) {
      if (is_begun && i < rounds_now && one_round(i, w, root)) { printf("root "); print_hex(root, 32); printf("\n"); }
      else printf("error round\n");
    } else if (sscanf(line, "row %u %llu", &i, &row) == 2) { if (!is_begun || !show_row(i, row)) printf("error row\n"); }
    else if (!strncmp(line, "drop", 4)) { drop_all(); printf("ok\n"); }
    else printf("error unknown\n");
    fflush(stdout);
  }
  drop_all();
  return 0;
}
`

/** Without a card: each kernel in a loop. Slow, and the same numbers. */
const plain = String.raw`
#include <stdlib.h>
#include <string.h>
typedef void *mem_t;
static void dev_list(void) { printf("device 0 - 0 plain C\n"); }
static int dev_open(int n) { return n == 0; }
static mem_t dev_alloc(unsigned long long bytes) { return malloc(bytes); }
static void dev_free(mem_t m) { free(m); }
static int dev_read(mem_t m, unsigned long long at, unsigned long long bytes, void *out) { memcpy(out, (char *)m + at, bytes); return 1; }
#define EACH(count, call) for (thread_at = 0; thread_at < (count); thread_at++) call; return 1
static int run_make_first(mem_t m, u64 rows, u32 width, u32 high, u32 low, u64 n) { EACH(n, make_first((u32 *)m, rows, width, high, low)); }
static int run_make_weights(mem_t m, u32 width, u32 high, u32 low, u64 n) { EACH(n, make_weights((u32 *)m, width, high, low)); }
static int run_multiply(mem_t x, mem_t w, mem_t y, u64 rows, u32 width, u32 a, u32 b, u64 n) { EACH(n, multiply((i8 *)x, (i8 *)w, (i8 *)y, rows, width, a, b)); }
static int run_hash_leaves(mem_t y, mem_t t, u64 rows, u32 width, u64 n) { EACH(n, hash_leaves((u8 *)y, (u8 *)t, rows, width)); }
static int run_hash_level(mem_t t, u64 first, u64 n) { EACH(n, hash_level((u8 *)t, first)); }
`

const cuda = String.raw`
#include <cuda_runtime.h>
typedef char *mem_t;
static void dev_list(void) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return;
  for (int n = 0; n < count; n++) {
    cudaDeviceProp p;
    if (cudaGetDeviceProperties(&p, n) != cudaSuccess) continue;
    printf("device %d GPU-", n);
    for (int i = 0; i < 16; i++) printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", (unsigned char)p.uuid.bytes[i]);
    printf(" %llu %s\n", (unsigned long long)(p.totalGlobalMem >> 20), p.name);
  }
}
static int dev_open(int n) { return cudaSetDevice(n) == cudaSuccess; }
static mem_t dev_alloc(unsigned long long bytes) { void *m = 0; return cudaMalloc(&m, bytes) == cudaSuccess ? (mem_t)m : 0; }
static void dev_free(mem_t m) { if (m) cudaFree(m); }
static int dev_read(mem_t m, unsigned long long at, unsigned long long bytes, void *out) { return cudaMemcpy(out, m + at, bytes, cudaMemcpyDeviceToHost) == cudaSuccess; }
#define EACH(count, call, ...) call<<<(unsigned)(((count) + 255) / 256), 256>>>(__VA_ARGS__); return cudaGetLastError() == cudaSuccess && cudaDeviceSynchronize() == cudaSuccess
static int run_make_first(mem_t m, u64 rows, u32 width, u32 high, u32 low, u64 n) { EACH(n, make_first, (u32 *)m, rows, width, high, low); }
static int run_make_weights(mem_t m, u32 width, u32 high, u32 low, u64 n) { EACH(n, make_weights, (u32 *)m, width, high, low); }
static int run_multiply(mem_t x, mem_t w, mem_t y, u64 rows, u32 width, u32 a, u32 b, u64 n) { EACH(n, multiply, (i8 *)x, (i8 *)w, (i8 *)y, rows, width, a, b); }
static int run_hash_leaves(mem_t y, mem_t t, u64 rows, u32 width, u64 n) { EACH(n, hash_leaves, (u8 *)y, (u8 *)t, rows, width); }
static int run_hash_level(mem_t t, u64 first, u64 n) { EACH(n, hash_level, (u8 *)t, first); }
`

/** By the names of its library alone: no headers of OpenCL are needed, and none are there where only a driver is. */
const opencl = String.raw`
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef uint32_t u32; typedef uint64_t u64; typedef void *mem_t;
#define CL(ret, name, ...) static ret (*name)(__VA_ARGS__)
CL(int, clGetPlatformIDs, u32, void **, u32 *);
CL(int, clGetDeviceIDs, void *, u64, u32, void **, u32 *);
CL(int, clGetDeviceInfo, void *, u32, size_t, void *, size_t *);
CL(void *, clCreateContext, const intptr_t *, u32, void **, void *, void *, int *);
CL(void *, clCreateCommandQueue, void *, void *, u64, int *);
CL(void *, clCreateProgramWithSource, void *, u32, const char **, const size_t *, int *);
CL(int, clBuildProgram, void *, u32, void **, const char *, void *, void *);
CL(void *, clCreateKernel, void *, const char *, int *);
CL(void *, clCreateBuffer, void *, u64, size_t, void *, int *);
CL(int, clReleaseMemObject, void *);
CL(int, clSetKernelArg, void *, u32, size_t, const void *);
CL(int, clEnqueueNDRangeKernel, void *, void *, u32, const size_t *, const size_t *, const size_t *, u32, void *, void *);
CL(int, clEnqueueReadBuffer, void *, void *, u32, size_t, size_t, void *, u32, void *, void *);
CL(int, clFinish, void *);
static void *devices[64]; static int device_count = -1, opened = -1; static void *context, *queue, *kernels[5];
static const char *names[5] = {"make_first", "make_weights", "multiply", "hash_leaves", "hash_level"};
static int load(void) {
  void *lib = dlopen("libOpenCL.so.1", RTLD_NOW);
  if (!lib) lib = dlopen("libOpenCL.so", RTLD_NOW);
  if (!lib) return 0;
#define GET(name) if (!(*(void **)&name = dlsym(lib, #name))) return 0
  GET(clGetPlatformIDs); GET(clGetDeviceIDs); GET(clGetDeviceInfo); GET(clCreateContext); GET(clCreateCommandQueue);
  GET(clCreateProgramWithSource); GET(clBuildProgram); GET(clCreateKernel); GET(clCreateBuffer); GET(clReleaseMemObject);
  GET(clSetKernelArg); GET(clEnqueueNDRangeKernel); GET(clEnqueueReadBuffer); GET(clFinish);
  return 1;
}
static void find(void) {
  if (device_count >= 0) return;
  device_count = 0;
  if (!load()) return;
  void *platforms[16]; u32 count = 0;
  if (clGetPlatformIDs(16, platforms, &count) != 0) return;
  for (u32 p = 0; p < count && p < 16; p++) {
    void *found[64]; u32 n = 0;
    if (clGetDeviceIDs(platforms[p], DEVICE_TYPE, 64, found, &n) != 0) continue;
    for (u32 i = 0; i < n && device_count < 64; i++) devices[device_count++] = found[i];
  }
}
static void dev_list(void) {
  find();
  for (int n = 0; n < device_count; n++) {
    char name[200] = ""; u64 bytes = 0; unsigned char uuid[16];
    clGetDeviceInfo(devices[n], 0x102B, sizeof name - 1, name, 0);
    clGetDeviceInfo(devices[n], 0x101F, sizeof bytes, &bytes, 0);
    printf("device %d ", n);
    if (clGetDeviceInfo(devices[n], 0x106A, 16, uuid, 0) == 0) {
      printf("GPU-");
      for (int i = 0; i < 16; i++) printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    } else printf("-");
    printf(" %llu %s\n", (unsigned long long)(bytes >> 20), name);
  }
}
static int dev_open(int n) {
  find();
  if (n < 0 || n >= device_count) return 0;
  if (opened == n) return 1;
  int e = 0; size_t length = strlen(kernel_text); const char *text = kernel_text;
  context = clCreateContext(0, 1, &devices[n], 0, 0, &e); if (e) return 0;
  queue = clCreateCommandQueue(context, devices[n], 0, &e); if (e) return 0;
  void *program = clCreateProgramWithSource(context, 1, &text, &length, &e); if (e) return 0;
  if (clBuildProgram(program, 1, &devices[n], "", 0, 0) != 0) return 0;
  for (int i = 0; i < 5; i++) { kernels[i] = clCreateKernel(program, names[i], &e); if (e) return 0; }
  opened = n;
  return 1;
}
static mem_t dev_alloc(unsigned long long bytes) { int e = 0; void *m = clCreateBuffer(context, 1, bytes, 0, &e); return e ? 0 : m; }
static void dev_free(mem_t m) { if (m) clReleaseMemObject(m); }
static int dev_read(mem_t m, unsigned long long at, unsigned long long bytes, void *out) { return clEnqueueReadBuffer(queue, m, 1, at, bytes, out, 0, 0, 0) == 0; }
static int launch(int k, u64 n) {
  size_t group = 64, global = (n + 63) / 64 * 64;
  return clEnqueueNDRangeKernel(queue, kernels[k], 1, 0, &global, &group, 0, 0, 0) == 0 && clFinish(queue) == 0;
}
#define ARG(k, i, v) clSetKernelArg(kernels[k], i, sizeof v, &v)
static int run_make_first(mem_t m, u64 rows, u32 width, u32 high, u32 low, u64 n) { ARG(0,0,m); ARG(0,1,rows); ARG(0,2,width); ARG(0,3,high); ARG(0,4,low); return launch(0, n); }
static int run_make_weights(mem_t m, u32 width, u32 high, u32 low, u64 n) { ARG(1,0,m); ARG(1,1,width); ARG(1,2,high); ARG(1,3,low); return launch(1, n); }
static int run_multiply(mem_t x, mem_t w, mem_t y, u64 rows, u32 width, u32 a, u32 b, u64 n) { ARG(2,0,x); ARG(2,1,w); ARG(2,2,y); ARG(2,3,rows); ARG(2,4,width); ARG(2,5,a); ARG(2,6,b); return launch(2, n); }
static int run_hash_leaves(mem_t y, mem_t t, u64 rows, u32 width, u64 n) { ARG(3,0,y); ARG(3,1,t); ARG(3,2,rows); ARG(3,3,width); return launch(3, n); }
static int run_hash_level(mem_t t, u64 first, u64 n) { ARG(4,0,t); ARG(4,1,first); return launch(4, n); }
`

/** `cards`: what OpenCL calls GPUs and accelerators. `any`: processors too, for tests. */
export type OpenClDevices = 'cards' | 'any'

/** The whole program. */
export function helperSource(kind: KernelKind, devices: OpenClDevices = 'cards'): string {
  const head = '#include <stdio.h>\n'
  if (kind === 'opencl') {
    const type = devices === 'any' ? '0xFFFFFFFFull' : '12ull'
    const text = `static const char *kernel_text = ${JSON.stringify(kernelSource('opencl'))};\n`
    return `${head}#define DEVICE_TYPE ${type}\n${text}${opencl}${common}`
  }
  return head + kernelSource(kind) + (kind === 'cuda' ? cuda : plain) + common
}
