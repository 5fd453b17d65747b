/** How long machines stay, as people write it: `weibull:0.7,97.3`, `exp:2000h`, `lognormal:10m,1.08`, `fixed:30s`. */
import { type Draw, exponential, gammaBelowOne, hyperExponential, logNormal, weibull } from '../draws.ts'

export const LIFETIME_FORMS =
  'exp:MEAN, weibull:SHAPE,SCALE, lognormal:MEDIAN,SIGMA, gamma:SHAPE,SCALE (shape below 1), fixed:TIME, or hyper:SHARE,MEAN,SHARE,MEAN… with shares that add up to 1; times are hours, or have a unit as 30s, 10m, 2h, 7d'

const unitHours: Readonly<Record<string, number>> = { s: 1 / 3_600, m: 1 / 60, h: 1, d: 24, '': 1 }
/** Longer is no machine, and shorter no stay. */
const HOURS_MIN = 1 / 3_600
const HOURS_MAX = 1e6
const SHAPE_MIN = 0.05
const SHAPE_MAX = 20

/** Draws of hours, or `null` for what is no distribution. */
export function parseLifetime(text: string): Draw | null {
  const [, form = '', list = ''] = /^([a-z]+):([\d.,smhd]+)$/.exec(text.trim().toLowerCase()) ?? []
  const words = list.split(',')
  const [first = '', second = ''] = words
  const [hours, number, secondHours] = [hoursOf(first), numberOf(first), hoursOf(second)]
  const sigma = numberOf(second)
  switch (form) {
    case 'exp':
      return words.length === 1 && hours !== null ? exponential(hours) : null
    case 'fixed':
      return words.length === 1 && hours !== null ? () => hours : null
    case 'lognormal':
      return words.length === 2 && hours !== null && sigma !== null && sigma <= 5
        ? logNormal({ median: hours, sigma })
        : null
    case 'weibull':
    case 'gamma': {
      if (words.length !== 2 || number === null || secondHours === null) return null
      if (number < SHAPE_MIN || number > SHAPE_MAX || (form === 'gamma' && number >= 1)) return null
      const given = { shape: number, scale: secondHours }
      return form === 'weibull' ? weibull(given) : gammaBelowOne(given)
    }
    case 'hyper':
      return hyperOf(words)
    default:
      return null
  }
}

function hyperOf(words: readonly string[]): Draw | null {
  if (words.length < 2 || words.length % 2 === 1) return null
  const branches: { weight: number; mean: number }[] = []
  for (let at = 0; at < words.length; at += 2) {
    const [weight, mean] = [numberOf(words[at] ?? ''), hoursOf(words[at + 1] ?? '')]
    if (weight === null || mean === null) return null
    branches.push({ weight, mean })
  }
  const sum = branches.reduce((all, { weight }) => all + weight, 0)
  return Math.abs(sum - 1) <= 0.001 ? hyperExponential(branches) : null
}

function hoursOf(text: string): number | null {
  const [, count, unit] = /^(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})([smhd]?)$/.exec(text) ?? []
  const hours = Number(count) * (unitHours[unit ?? ''] ?? Number.NaN)
  return hours >= HOURS_MIN && hours <= HOURS_MAX ? hours : null
}

function numberOf(text: string): number | null {
  const value = /^(\d{1,6}(\.\d{1,9})?|\.\d{1,9})$/.test(text) ? Number(text) : Number.NaN
  return value > 0 ? value : null
}
