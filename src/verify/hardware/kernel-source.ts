/**
 * The arithmetic of `product.ts` and `merkle.ts` for cards, as source: one body for OpenCL and CUDA (and for plain C, by which
 * tests hold it against the other), with a few words defined for each. It is compiled where the card is, when it is asked.
 */

const words = {
  opencl: `
#define KERNEL __kernel
#define GLOBAL __global
#define FUNCTION
#define THREAD ((ulong)get_global_id(0))
typedef uchar u8;
typedef char i8;
typedef uint u32;
typedef int i32;
typedef ulong u64;
`,
  cuda: `
#define KERNEL extern "C" __global__
#define GLOBAL
#define FUNCTION __device__
#define THREAD ((u64)blockIdx.x * blockDim.x + threadIdx.x)
typedef unsigned char u8;
typedef signed char i8;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
`,
  c: `
#include <stdint.h>
#define KERNEL
#define GLOBAL
#define FUNCTION static
static uint64_t thread_at;
#define THREAD thread_at
typedef uint8_t u8;
typedef int8_t i8;
typedef uint32_t u32;
typedef int32_t i32;
typedef uint64_t u64;
`,
} as const

const body = `
FUNCTION u32 mix(u32 x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/* Four elements of a row that comes of two words of a seed. */
FUNCTION u32 draw(u32 row, u32 column4, u32 high, u32 low) {
  return mix((mix(row ^ high) + column4) ^ low);
}

/* W: one thread for each four elements. */
KERNEL void make_weights(GLOBAL u32 *weights, u32 width, u32 high, u32 low) {
  u64 at = THREAD;
  u32 quarter = width / 4;
  if (at >= (u64)width * quarter) return;
  weights[at] = draw((u32)(at / quarter), (u32)(at % quarter), high, low);
}

/* X of the first round: one thread for each four elements. */
KERNEL void make_first(GLOBAL u32 *first, u64 rows, u32 width, u32 high, u32 low) {
  u64 at = THREAD;
  u32 quarter = width / 4;
  if (at >= rows * quarter) return;
  first[at] = draw((u32)(at / quarter), (u32)(at % quarter), high, low);
}

/* One thread for each element of Y. Row r is made of row a*r+b of the round before; a = 1 and b = 0 in the first one. */
KERNEL void multiply(GLOBAL const i8 *before, GLOBAL const i8 *weights, GLOBAL i8 *after, u64 rows, u32 width, u32 a, u32 b) {
  u64 at = THREAD;
  if (at >= rows * width) return;
  u32 row = (u32)(at / width);
  u32 column = (u32)(at % width);
  GLOBAL const i8 *source = before + (u64)((a * row + b) & (u32)(rows - 1)) * width;
  i32 sum = 0;
  for (u32 k = 0; k < width; k++) sum += (i32)source[k] * (i32)weights[(u64)k * width + column];
  after[at] = (i8)(u8)(sum ^ (sum >> 8) ^ (sum >> 16));
}

FUNCTION u32 turn(u32 x, u32 n) { return (x >> n) | (x << (32 - n)); }

FUNCTION void sha_block(u32 *state, const u32 *block) {
  const u32 k[64] = {
    0x428a2f98u,0x71374491u,0xb5c0fbcfu,0xe9b5dba5u,0x3956c25bu,0x59f111f1u,0x923f82a4u,0xab1c5ed5u,
    0xd807aa98u,0x12835b01u,0x243185beu,0x550c7dc3u,0x72be5d74u,0x80deb1feu,0x9bdc06a7u,0xc19bf174u,
    0xe49b69c1u,0xefbe4786u,0x0fc19dc6u,0x240ca1ccu,0x2de92c6fu,0x4a7484aau,0x5cb0a9dcu,0x76f988dau,
    0x983e5152u,0xa831c66du,0xb00327c8u,0xbf597fc7u,0xc6e00bf3u,0xd5a79147u,0x06ca6351u,0x14292967u,
    0x27b70a85u,0x2e1b2138u,0x4d2c6dfcu,0x53380d13u,0x650a7354u,0x766a0abbu,0x81c2c92eu,0x92722c85u,
    0xa2bfe8a1u,0xa81a664bu,0xc24b8b70u,0xc76c51a3u,0xd192e819u,0xd6990624u,0xf40e3585u,0x106aa070u,
    0x19a4c116u,0x1e376c08u,0x2748774cu,0x34b0bcb5u,0x391c0cb3u,0x4ed8aa4au,0x5b9cca4fu,0x682e6ff3u,
    0x748f82eeu,0x78a5636fu,0x84c87814u,0x8cc70208u,0x90befffau,0xa4506cebu,0xbef9a3f7u,0xc67178f2u};
  u32 w[64];
  for (int i = 0; i < 16; i++) w[i] = block[i];
  for (int i = 16; i < 64; i++) {
    u32 s0 = turn(w[i-15], 7) ^ turn(w[i-15], 18) ^ (w[i-15] >> 3);
    u32 s1 = turn(w[i-2], 17) ^ turn(w[i-2], 19) ^ (w[i-2] >> 10);
    w[i] = w[i-16] + s0 + w[i-7] + s1;
  }
  u32 h[8];
  for (int i = 0; i < 8; i++) h[i] = state[i];
  for (int i = 0; i < 64; i++) {
    u32 s1 = turn(h[4], 6) ^ turn(h[4], 11) ^ turn(h[4], 25);
    u32 t1 = h[7] + s1 + ((h[4] & h[5]) ^ (~h[4] & h[6])) + k[i] + w[i];
    u32 s0 = turn(h[0], 2) ^ turn(h[0], 13) ^ turn(h[0], 22);
    u32 t2 = s0 + ((h[0] & h[1]) ^ (h[0] & h[2]) ^ (h[1] & h[2]));
    h[7] = h[6]; h[6] = h[5]; h[5] = h[4]; h[4] = h[3] + t1;
    h[3] = h[2]; h[2] = h[1]; h[1] = h[0]; h[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) state[i] += h[i];
}

/* SHA-256 of one byte and \`length\` more. */
FUNCTION void sha_prefixed(u8 prefix, GLOBAL const u8 *text, u32 length, GLOBAL u8 *out) {
  u32 state[8] = {0x6a09e667u,0xbb67ae85u,0x3c6ef372u,0xa54ff53au,0x510e527fu,0x9b05688cu,0x1f83d9abu,0x5be0cd19u};
  u32 total = length + 1;
  u32 blocks = (total + 9 + 63) / 64;
  for (u32 n = 0; n < blocks; n++) {
    u32 block[16];
    for (u32 i = 0; i < 16; i++) {
      u32 word = 0;
      for (u32 j = 0; j < 4; j++) {
        u32 at = n * 64 + i * 4 + j;
        u32 byte = at == 0 ? prefix : at < total ? text[at - 1] : at == total ? 0x80u : 0u;
        word = (word << 8) | byte;
      }
      block[i] = word;
    }
    if (n == blocks - 1) block[15] = total * 8;
    sha_block(state, block);
  }
  for (u32 i = 0; i < 8; i++)
    for (u32 j = 0; j < 4; j++) out[i * 4 + j] = (u8)(state[i] >> (24 - 8 * j));
}

/* The leaves are the last \`rows\` hashes of the tree: one thread for each row. */
KERNEL void hash_leaves(GLOBAL const u8 *matrix, GLOBAL u8 *tree, u64 rows, u32 width) {
  u64 row = THREAD;
  if (row >= rows) return;
  sha_prefixed(0, matrix + row * width, width, tree + (rows + row) * 32);
}

/* One level: nodes \`first\` to \`2 * first - 1\`, one thread for each. */
KERNEL void hash_level(GLOBAL u8 *tree, u64 first) {
  u64 at = THREAD;
  if (at >= first) return;
  u64 node = first + at;
  sha_prefixed(1, tree + 2 * node * 32, 64, tree + node * 32);
}
`

export type KernelKind = keyof typeof words

/** The kernels as source of this kind. */
export const kernelSource = (kind: KernelKind): string => words[kind] + body
