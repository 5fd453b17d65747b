/** The full screen of `shoal top`, by Ink, which this alone loads. */
import { Box, render, Text, useApp, useInput, useWindowSize } from 'ink'
import { createElement, type ReactNode, useEffect, useState } from 'react'
import type { Style } from '#cli/style.ts'
import { FIRST_STATE, offsetMax, sortable, type TopState, topFrame, VIEWS } from '#cli/top-view.ts'
import type { LiveNetwork } from '#protocol/live.ts'

export interface TopScreenOptions {
  /** The newest. Rejects with why there is none. */
  read(): Promise<LiveNetwork>
  readonly first: LiveNetwork
  readonly intervalMs: number
  readonly style: Style
  /** Ends it. */
  readonly signal: AbortSignal
}

/** Resolves when the user has left; the terminal is as it was then. */
export async function showTop(options: TopScreenOptions): Promise<void> {
  const screen = render(createElement(TopScreen, options), {
    alternateScreen: true,
    patchConsole: false,
    maxFps: 20,
    // Somebody asked for a full screen and has a terminal, whatever else the surroundings say.
    interactive: true,
  })
  const leave = (): void => screen.unmount()
  options.signal.addEventListener('abort', leave)
  try {
    await screen.waitUntilExit()
  } finally {
    options.signal.removeEventListener('abort', leave)
    screen.unmount()
  }
}

/** Samples of the line of speed in the header. */
const SAMPLES_MAX = 30
const PAGE_ROWS = 10

interface Shown {
  readonly live: LiveNetwork
  readonly speeds: readonly number[]
  readonly problem: string | null
}

function TopScreen({ read, first, intervalMs, style }: TopScreenOptions): ReactNode {
  const { exit } = useApp()
  const { columns, rows } = useWindowSize()
  const [state, setState] = useState<TopState>(FIRST_STATE)
  const [shown, setShown] = useState<Shown>({ live: first, speeds: [first.tokensPerSecond], problem: null })
  useEffect(() => poll(read, intervalMs, setShown), [read, intervalMs])
  useInput((input, key) => {
    if (input === 'q' || key.escape || (key.ctrl && input === 'c')) return exit()
    setState((before) => next(before, shown.live, { ...key, input }))
  })
  const { live, speeds, problem } = shown
  // The last line stays empty: writing into its last column would scroll some terminals.
  const lines = topFrame(
    live,
    state,
    { width: Math.max(10, columns), height: Math.max(4, rows - 1), style },
    { speeds, problem },
  )
  return createElement(
    Box,
    { flexDirection: 'column' },
    ...lines.map((line, index) =>
      createElement(Text, { key: index, wrap: 'truncate' }, line === '' ? ' ' : line),
    ),
  )
}

/** Asks again a while after each answer; returns how to end that. */
function poll(
  read: TopScreenOptions['read'],
  intervalMs: number,
  setShown: (change: (before: Shown) => Shown) => void,
): () => void {
  let isOver = false
  let timer: NodeJS.Timeout | undefined
  const ask = (): void => {
    read()
      .then(
        (live) => {
          if (isOver) return
          setShown(({ speeds }) => ({
            live,
            speeds: [...speeds, live.tokensPerSecond].slice(-SAMPLES_MAX),
            problem: null,
          }))
        },
        (error: unknown) => {
          const problem = error instanceof Error ? error.message : String(error)
          if (!isOver) setShown((before) => ({ ...before, problem }))
        },
      )
      .finally(() => {
        if (!isOver) timer = setTimeout(ask, intervalMs)
      })
  }
  timer = setTimeout(ask, intervalMs)
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}

interface Pressed {
  readonly input: string
  readonly tab: boolean
  readonly shift: boolean
  readonly upArrow: boolean
  readonly downArrow: boolean
  readonly leftArrow: boolean
  readonly rightArrow: boolean
  readonly pageUp: boolean
  readonly pageDown: boolean
}

/** What a key makes of the view. */
export function next(state: TopState, live: LiveNetwork, pressed: Pressed): TopState {
  const { input, shift, tab } = pressed
  const number = VIEWS[Number(input) - 1]
  if (number !== undefined) return { ...state, view: number, offset: 0 }
  const turn = tab ? (shift ? -1 : 1) : pressed.rightArrow ? 1 : pressed.leftArrow ? -1 : 0
  if (turn !== 0) {
    const index = (VIEWS.indexOf(state.view) + turn + VIEWS.length) % VIEWS.length
    return { ...state, view: VIEWS[index] ?? 'overview', offset: 0 }
  }
  if (input === 's') {
    const titles = sortable(state.view)
    const by = titles[(titles.indexOf(state.sortBy[state.view] ?? '') + 1) % titles.length] ?? null
    return { ...state, sortBy: { ...state.sortBy, [state.view]: by }, offset: 0 }
  }
  if (input === 'r') return { ...state, isReversed: !state.isReversed }
  const by = pressed.upArrow
    ? -1
    : pressed.downArrow
      ? 1
      : pressed.pageUp
        ? -PAGE_ROWS
        : pressed.pageDown
          ? PAGE_ROWS
          : 0
  const offset = Math.min(Math.max(0, state.offset + by), offsetMax(live, state))
  return offset === state.offset ? state : { ...state, offset }
}
