/** Files of receipts that were harmed: changed, cut, moved, said twice. None may be taken for whole, and none may break the check. */
import type { Random } from '#kernel/random.ts'
import { fileOf, harm, madeChain, partOf, verifyParts } from '#receipts/test-receipt-file.ts'
import { verifyReceipts } from '#receipts/verify-receipts.ts'
import { complain, type Surface } from './surface.ts'

const HARMS_MAX = 3

export function receiptSurface(): Surface {
  const first = madeChain([1, 2, 3].map((stream) => partOf(`request_${stream}`, { stream })))
  const previous = { chain: first.id, number: 3, hash: first.links[2] ?? '' }
  const second = madeChain([partOf('request_4')], { session: 8, previous })
  const whole = fileOf([first, second])
  return {
    name: 'receipts',
    next: (random) => Buffer.from(harmed(whole, random)),
    attempt(input) {
      const text = input.toString()
      if (text === whole) return 'accepted'
      const { faults } = verifyReceipts(text, verifyParts)
      return faults.length > 0 ? 'refused' : complain('a harmed file of receipts was taken for whole')
    },
  }
}

function harmed(whole: string, random: Random): string {
  let text = whole
  for (let left = 1 + random.int(HARMS_MAX); left > 0 && text !== ''; left--) text = harm(text, random)
  return text === whole ? harmed(whole, random) : text
}
