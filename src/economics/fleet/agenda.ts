/** When what happens next: one instant for each of a fixed number of things, the earliest first. A heap that knows where each stands. */
export class Agenda {
  readonly #atMs: Float64Array
  /** Things as a heap, and where in it each is; -1: not in it. */
  readonly #heap: Int32Array
  readonly #place: Int32Array
  #size = 0

  constructor(things: number) {
    this.#atMs = new Float64Array(things)
    this.#heap = new Int32Array(things)
    this.#place = new Int32Array(things).fill(-1)
  }

  /** In place of when it was to happen. Of two at one instant the one with the smaller number is first. */
  set(thing: number, atMs: number): void {
    this.#atMs[thing] = atMs
    let place = this.#place[thing] as number
    if (place === -1) {
      place = this.#size++
      this.#put(thing, place)
    }
    this.#sink(thing, this.#rise(thing, place))
  }

  remove(thing: number): void {
    const place = this.#place[thing] as number
    if (place === -1) return
    this.#place[thing] = -1
    const last = this.#heap[--this.#size] as number
    if (last === thing) return
    this.#put(last, place)
    this.#sink(last, this.#rise(last, place))
  }

  /** Takes the earliest out; -1 when there is none. */
  take(): number {
    if (this.#size === 0) return -1
    const first = this.#heap[0] as number
    this.remove(first)
    return first
  }

  atMs(thing: number): number {
    return this.#atMs[thing] as number
  }

  #put(thing: number, place: number): void {
    this.#heap[place] = thing
    this.#place[thing] = place
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#atMs[a] as number, this.#atMs[b] as number]
    return first < second || (first === second && a < b)
  }

  #rise(thing: number, from: number): number {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const other = this.#heap[above] as number
      if (!this.#isBefore(thing, other)) break
      this.#put(other, place)
      place = above
    }
    this.#put(thing, place)
    return place
  }

  #sink(thing: number, from: number): void {
    let place = from
    for (;;) {
      let below = 2 * place + 1
      if (below >= this.#size) break
      const right = below + 1
      if (right < this.#size && this.#isBefore(this.#heap[right] as number, this.#heap[below] as number))
        below = right
      const other = this.#heap[below] as number
      if (!this.#isBefore(other, thing)) break
      this.#put(other, place)
      place = below
    }
    this.#put(thing, place)
  }
}
