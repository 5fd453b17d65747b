/**
 * A load of chats with many turns, the same for the same seed: who writes what, and how long after the last answer. A few
 * beginnings are shared by many chats, as instructions are; a turn's prompt is all that was said before and a message more.
 */

import { exponential, logNormal } from '#economics/draws.ts'
import { createRandom, type Random } from '#kernel/random.ts'
import type { EngineMessage } from '#protocol/engine-request.ts'

export interface ChatTurn {
  /** Before the caller writes it: since the chat began, or since the last answer. */
  readonly pauseMs: number
  readonly message: string
  /** What will be answered. */
  readonly answer: string
}

export interface Chat {
  readonly beginsAtMs: number
  readonly instructions: string
  readonly turns: readonly ChatTurn[]
}

export interface ChatLoadPlan {
  readonly chats: number
  /** Between two chats that begin. */
  readonly everyMs: number
  readonly turnsMean: number
  readonly pauseMs: number
}

export const chatLoadPlan: ChatLoadPlan = { chats: 600, everyMs: 1_000, turnsMean: 6, pauseMs: 15_000 }

/** Characters of a token, as the router estimates them. */
export const CHARACTERS_PER_TOKEN = 4
const INSTRUCTIONS_TOKENS = [1_200, 600, 400, 300, 200, 100] as const
const TURNS_MAX = 24
const POOL_CHARACTERS = 1 << 20

const messageTokens = logNormal({ median: 60, sigma: 0.9 })
const answerTokens = logNormal({ median: 150, sigma: 0.6 })

export function drawChats(seed: number, plan: ChatLoadPlan = chatLoadPlan): Chat[] {
  const random = createRandom(seed)
  const text = textSource(random)
  const instructions = INSTRUCTIONS_TOKENS.map((tokens) => text(tokens))
  const between = exponential(plan.everyMs)
  let nowMs = 0
  return Array.from({ length: plan.chats }, () => {
    nowMs += between(random)
    // The first is as popular as all others together, and so on.
    let which = 0
    while (which < instructions.length - 1 && random.chance(1, 2)) which++
    const turns = drawTurns(random, text, plan)
    return { beginsAtMs: nowMs, instructions: instructions[which] ?? '', turns }
  })
}

function drawTurns(random: Random, text: (tokens: number) => string, plan: ChatLoadPlan): ChatTurn[] {
  const turns: ChatTurn[] = []
  const pause = exponential(plan.pauseMs)
  do {
    turns.push({
      pauseMs: turns.length === 0 ? 0 : pause(random),
      message: text(bounded(messageTokens(random), 4, 2_000)),
      answer: text(bounded(answerTokens(random), 8, 1_000)),
    })
  } while (turns.length < TURNS_MAX && !random.chance(1, plan.turnsMean))
  return turns
}

/** All that is sent with turn `index` of `chat`. */
export function messagesOf({ instructions, turns }: Chat, index: number): EngineMessage[] {
  const before = turns.slice(0, index).flatMap(({ message, answer }) => [
    { role: 'user' as const, content: message },
    { role: 'assistant' as const, content: answer },
  ])
  const last = { role: 'user' as const, content: turns[index]?.message ?? '' }
  return [{ role: 'system', content: instructions }, ...before, last]
}

/** Texts that have nothing in common, cut from one long text. */
function textSource(random: Random): (tokens: number) => string {
  const letters = Array.from({ length: POOL_CHARACTERS }, () => String.fromCharCode(97 + random.int(26)))
  const pool = letters.join('')
  return (tokens) => {
    const length = Math.round(tokens) * CHARACTERS_PER_TOKEN
    const from = random.int(POOL_CHARACTERS - length)
    return pool.slice(from, from + length)
  }
}

const bounded = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value))
