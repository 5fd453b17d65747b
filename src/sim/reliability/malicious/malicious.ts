/** Nodes that cheat in nine ways, a tenth of all and then three in ten: what callers get, what it costs to find out, and who loses money. */
import { type Figures, type Scenario, shareFigures, wilson } from '../scenario.ts'
import { cheatsCaught, falseAlarms } from './lives.ts'
import { type MaliciousRun, type MemberOutcome, runMalicious } from './malicious-run.ts'
import { type StrategyName, strategies, strategyNames } from './strategies.ts'
import { labelOf, strategyTable } from './table.ts'

const SHARES = [10, 30] as const
/** Of answers that callers have in the end, so many may be false. */
const FALSE_MAX: Readonly<Record<number, number>> = { 10: 0.005, 30: 0.02 }
/** Nodes lie most while they are strangers: a short run is mostly that, and may have as many false answers as a whole day. */
const PLANS = {
  full: { nodes: 110, requests: 40_000, hours: 24 },
  quick: { nodes: 110, requests: 6_000, hours: 3 },
}
const OVERHEAD_MAX = 0.08
const NAIVE_LIES_MAX = 3
const WRONGLY_BANNED_MAX = 0.001
/** Of a hundred sleepers 99 are found out within so many lies, and of those who lie once in twenty within so many answers. */
const SLEEPER_LIES_MAX = 90
const ONE_IN_20_ANSWERS_MAX = 1_840
/** So many lives of each: of a few hundred the hundredth part says too little. */
const CHEATS = 4_000
/** An hour of a machine under load and idle, at a price of electricity that many owners pay. */
const WATTS = { load: 540, idle: 95 }
const USD_PER_KWH = 0.15
/** Tokens a second that a machine under load makes for all its callers, and reads: what the simulated agents say of themselves. */
const TOKENS_PER_SECOND = 200
const READ_TIMES_FASTER = 10

export const malicious: Scenario = async ({ seed, isQuick, sharePercent }) => {
  const plan = isQuick ? PLANS.quick : PLANS.full
  let figures: Figures = {}
  const promises: Record<string, boolean> = {}
  for (const share of sharePercent === undefined ? SHARES : [sharePercent]) {
    const run = await runMalicious(seed, { ...plan, sharePercent: share })
    const told = tell(run)
    const named = (name: string): string => `at${share}${name[0]?.toUpperCase()}${name.slice(1)}`
    figures = { ...figures, ...renamed(told.figures, named) }
    const { falseShare, overhead, naiveLies, sums, honestJudged } = told
    const falseMax = FALSE_MAX[share] ?? 0.02
    if (isQuick) {
      const { late } = run
      promises[named('falseWithinThoseOfADay')] = run.falseAnswers <= falseMax * PLANS.full.requests
      promises[named('falseAcceptedInTheLastThird')] =
        late.falseAnswers / Math.max(1, late.completed) <= falseMax
    } else promises[named('falseAccepted')] = falseShare <= falseMax
    promises[named('overhead')] = overhead <= OVERHEAD_MAX
    promises[named('naiveCaughtInThree')] = naiveLies <= NAIVE_LIES_MAX
    // Who lies seldom is found out after days, and not hours; who began honestly is still paid for that.
    const judged = isQuick ? sums.filter(({ name }) => !hasHonestPart(name) && name !== 'sleeper') : sums
    promises[named('everyStrategyLosesToItsTwin')] = judged.every(({ net, twinNet }) => net < twinNet)
    promises[named('everyStrategyLosesMoneyByItsLies')] = judged.every(({ name, net, twinNet }) =>
      hasHonestPart(name) ? net < twinNet : net < 0,
    )
    promises[named('noHonestNodeJudged')] = honestJudged === 0
  }
  const alarms = falseAlarms(seed, isQuick ? 100 : CHEATS)
  const caught = cheatsCaught(seed, CHEATS)
  figures = { ...figures, ...alarms, ...caught }
  figures = {
    ...figures,
    falseAcceptedIsJudged: isQuick ? 'by what a day may have, and in the last third' : 'as a share',
  }
  promises['sleeperCaughtWithin90'] = Number(caught['sleeperLiesUntilJudgedP99']) <= SLEEPER_LIES_MAX
  promises['oneIn20FoundWithin1840'] = Number(caught['oneIn20AnswersUntilFoundP99']) <= ONE_IN_20_ANSWERS_MAX
  // None of a hundred says nothing of a thousandth: a day's run takes enough lives to have all of the interval below it.
  const [, bannedHigh] = wilson(alarms.honestBannedShare * alarms.honestNodeYears, alarms.honestNodeYears)
  promises['honestWronglyBanned'] = isQuick
    ? alarms.honestBannedShare <= WRONGLY_BANNED_MAX
    : bannedHigh <= WRONGLY_BANNED_MAX
  return { figures, promises, table: strategyTable(figures, sharePercent ?? SHARES[0]) }
}

/** Most of what it does is honest work, which is paid: it loses by what it loses of that. */
const hasHonestPart = (name: StrategyName): boolean => name === 'one-in-20'

const renamed = (figures: Figures, named: (name: string) => string): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, figure]) => [named(name), figure]))

interface StrategySum {
  readonly name: StrategyName
  readonly net: number
  readonly twinNet: number
}

function tell(run: MaliciousRun) {
  const { outcomes, completed, falseAnswers, falseRefunded } = run
  const sums = strategyNames.map((name) => sumOf(name, run))
  const scored = outcomes.reduce((sum, { member }) => sum + member.scoredTokens, 0)
  const produced = outcomes.reduce((sum, { member }) => sum + member.counts.tokens, 0)
  const overhead = scored / READ_TIMES_FASTER / Math.max(1, produced)
  const falseShare = falseAnswers / Math.max(1, completed)
  const naive = outcomes.filter(
    ({ member }) => member.strategy !== null && strategies[member.strategy].isNaive,
  )
  const naiveLies = Math.max(
    0,
    ...naive.map(({ judgedAfter, falseAnswered }) => judgedAfter?.lies ?? falseAnswered),
  )
  const honestJudged = outcomes.filter(
    ({ member, verdicts }) => member.strategy === null && verdicts > 0,
  ).length
  const figures: Record<string, number | string> = {
    answers: completed,
    failed: run.failed,
    ...shareFigures('falseAccepted', falseAnswers, completed),
    ...shareFigures('falseAcceptedInTheLastThird', run.late.falseAnswers, run.late.completed),
    ...shareFigures('falseNotRefunded', falseAnswers - falseRefunded, completed),
    audits: run.audits,
    auditedPercent: round((100 * run.audits) / Math.max(1, completed)),
    overheadPercent: round(100 * overhead),
    auditPayPercent: round((100 * Number(run.auditPay)) / Math.max(1, Number(run.charged))),
    naiveLiesUntilJudgedMax: naiveLies,
    honestJudged,
    rejoined: run.rejoined,
  }
  for (const sum of sums) Object.assign(figures, sum.figures)
  return { figures, falseShare, overhead, naiveLies, sums, honestJudged }
}

function sumOf(name: StrategyName, run: MaliciousRun): StrategySum & { figures: Figures } {
  const all = run.outcomes.filter(({ member }) => member.strategy === name)
  const first = all.filter(({ member }) => member.twin !== null)
  const twins = first.map(({ member }) => run.outcomes[member.twin ?? -1] as MemberOutcome)
  const net = all.reduce((sum, one) => sum + netUsd(one), 0)
  const twinNet = twins.reduce((sum, one) => sum + netUsd(one), 0)
  const judged = all.flatMap(({ judgedAfter }) => judgedAfter ?? [])
  const most = (of: 'audited' | 'answered' | 'lies'): number =>
    Math.max(0, ...judged.map((after) => after[of]))
  const label = labelOf(name)
  return {
    name,
    net,
    twinNet,
    figures: {
      [`${label}Nodes`]: all.filter(({ answered }) => answered > 0).length,
      [`${label}Judged`]: judged.length,
      [`${label}False`]: all.reduce((sum, one) => sum + one.falseAnswered, 0),
      [`${label}LiesUntilJudgedMax`]: most('lies'),
      [`${label}IncomeMilliUsd`]: round(1e3 * all.reduce((sum, { income }) => sum + usdOf(income), 0)),
      [`${label}NetMilliUsd`]: round(1e3 * net),
      [`${label}WithAuditsMilliUsd`]: round(1e3 * all.reduce((sum, one) => sum + netWithAuditsUsd(one), 0)),
      [`${label}TwinNetMilliUsd`]: round(1e3 * twinNet),
      [`${label}TwinWithAuditsMilliUsd`]: round(
        1e3 * twins.reduce((sum, one) => sum + netWithAuditsUsd(one), 0),
      ),
    },
  }
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4
const usdOf = (nano: bigint): number => Number(nano) / 1e9

/**
 * What its answers brought it, less the electricity of what it computed for them: a lie computes less, but its machine is on for as
 * long. What it was paid for looking at others' answers is honest work, and not part of it; nor
 * is what is held back of somebody who was judged before and lies on: the next verdict takes it.
 */
function netUsd({ member, income, held, verdicts, auditIncome }: MemberOutcome): number {
  const isAtRisk = member.strategy !== null && (verdicts > 0 || member.firstLife !== null)
  const { strategy, counts } = member
  const falseShare = strategy === null ? 0 : strategies[strategy].falseCostShare
  const honestTokens = counts.tokens - counts.falseTokens
  const computed = honestTokens + counts.falseTokens * falseShare
  const idle = counts.falseTokens * (1 - falseShare)
  return (
    usdOf(income - auditIncome - (isAtRisk ? held : 0n)) -
    electricityUsd(computed * WATTS.load + idle * WATTS.idle)
  )
}

/** With what it was paid for looking at others' answers, and what that took. */
function netWithAuditsUsd(outcome: MemberOutcome): number {
  const scoring = (outcome.member.scoredTokens / READ_TIMES_FASTER) * WATTS.load
  return netUsd(outcome) + usdOf(outcome.auditIncome) - electricityUsd(scoring)
}

/** Of tokens times the watts that a machine draws meanwhile. */
const electricityUsd = (tokenWatts: number): number => (tokenWatts / TOKENS_PER_SECOND / 3.6e6) * USD_PER_KWH
