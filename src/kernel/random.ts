/** Seeded source of ordinary randomness: jitter, choices, the simulator. Never for keys: those come from `Secrets`. */
export interface Random {
  /** Uniform integer in `[0, bound)`. `bound` must be an integer in `[1, 2^32]`. */
  int(bound: number): number
  /** True with probability `numerator / denominator`. */
  chance(numerator: number, denominator: number): boolean
}

/** xoshiro128** seeded by splitmix32: fast, well distributed, identical on every platform. */
export function createRandom(seed: number): Random {
  const next = xoshiro128(seed)
  const int = (bound: number): number => {
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound)
    let value = next()
    while (value >= limit) value = next()
    return value % bound
  }
  return { int, chance: (numerator, denominator) => int(denominator) < numerator }
}

/** An independent stream drawn from `random`, so that one actor's draws never shift another's. */
export const forkRandom = (random: Random): Random => createRandom(random.int(0x1_0000_0000))

function xoshiro128(seed: number): () => number {
  let state = seed >>> 0
  const mix = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  let [a, b, c, d] = [mix(), mix(), mix(), mix()]
  const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k))
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotateLeft(d, 11)
    return result
  }
}
