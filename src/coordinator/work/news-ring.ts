import type { JobNews } from '#protocol/job.ts'

/** The newest of a job, oldest first; the last that was told stays when much happens. */
export class NewsRing {
  #countMax: number
  #items: JobNews[] = []
  #next: number

  /** `first`: the number of its first piece; greater than any that was ever given for the job. */
  constructor(first: number, countMax: number) {
    this.#next = first
    this.#countMax = countMax
  }

  get next(): number {
    return this.#next
  }

  add(news: Omit<JobNews, 'sequence'>): void {
    this.#items.push({ sequence: this.#next++, ...news })
    // Half at a time, so that none is moved often.
    if (this.#items.length >= 2 * this.#countMax) this.#items = this.#items.slice(-this.#countMax)
  }

  /** Says the newest piece otherwise, and in no place of its own. */
  amend(text: string): void {
    const last = this.#items.pop()
    if (last) this.#items.push({ ...last, text })
  }

  /** The job is over: only the newest are kept. */
  shrink(countMax: number): void {
    this.#countMax = countMax
    this.#items = this.#items.slice(-countMax)
  }

  /** What came after the piece `after`, the oldest first. */
  since(after: number, limit: number): JobNews[] {
    const first = this.#items[0]?.sequence ?? this.#next
    const begin = Math.max(0, after + 1 - first)
    return this.#items.slice(begin, begin + limit)
  }
}
