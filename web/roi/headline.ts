import type { RoiReport } from '../../src/economics/economics.ts'
import { RISKY } from '../../src/economics/verdict.ts'
import type { View } from './link.ts'

export interface Headline {
  readonly text: string
  readonly tone: 'good' | 'bad' | 'even' | 'open'
}

/** The verdict in a few words, for who owns the machine or for who would buy it; the sentence below it says why. */
export function headlineOf(report: RoiReport, view: View): Headline {
  const { account } = report
  if (!account) return { text: questionOf(report), tone: 'open' }
  return view === 'own' ? ofOwner(account, report.forecast?.cash.lossShare ?? 0) : ofBuyer(report)
}

/** The first thing that is missing, as it would be asked. */
function questionOf({ unknowns }: RoiReport): string {
  const missing = unknowns.find(({ blocks }) => blocks === 'everything')
  switch (missing?.name) {
    case 'electricity':
      return 'What does your electricity cost?'
    case 'price':
      return 'What would a renter pay?'
    case 'loadWatts':
    case 'idleWatts':
      return 'What does the machine draw?'
    default:
      return 'That cannot be said yet'
  }
}

function ofOwner(
  {
    cashUsdPerDay: cash,
    revenueUsdPerDay: revenue,
    electricityUsdPerDay: electricity,
  }: NonNullable<RoiReport['account']>,
  lossShare: number,
): Headline {
  if (cash > 0 && lossShare >= RISKY)
    return { text: 'It pays today, but not by much', tone: lossShare < 0.65 ? 'even' : 'bad' }
  if (cash > 0) return { text: 'Run it', tone: 'good' }
  return revenue > electricity
    ? { text: 'It pays for its power, not for its place', tone: 'even' }
    : { text: 'Leave it switched off', tone: 'bad' }
}

function ofBuyer({ capital, forecast, account }: RoiReport): Headline {
  if (!capital) return { text: 'What would it cost?', tone: 'open' }
  const loss = forecast?.economic?.lossShare ?? ((account?.netUsdPerDay ?? 0) > 0 ? 0.2 : 0.8)
  if (loss < 0.1) return { text: 'Buying rarely loses', tone: 'good' }
  if (loss < 0.35) return { text: 'Buying gains more often than it loses', tone: 'good' }
  if (loss < 0.65) return { text: 'Buying is a coin toss', tone: 'even' }
  if (loss < 0.9) return { text: 'Buying loses more often than it gains', tone: 'bad' }
  return { text: 'Do not buy one for this', tone: 'bad' }
}
