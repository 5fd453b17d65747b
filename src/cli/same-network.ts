/** Commands that a text tells people to type: they lead to the network that this one talked to, also when they are copied. */
import type { GlobalOptions } from './credentials.ts'
import { quoted } from './quoted.ts'

/** Those that talk to a network; `up`, `provide` and the like have an address of their own. */
const COMMANDS =
  'accounts|alerts|audit|batch|chat|jobs?|keys|members|models|nodes|payouts|projects|receipts|render|service-accounts|sla|status|usage'
/** One that names its network already is whole. */
const COMMAND = new RegExp(`\\bshoal (?=(?:${COMMANDS})\\b)(?![^\\n"\`]* --url )`, 'g')

/**
 * The text with the options that were given by hand in each of its commands: `shoal jobs` becomes `shoal --data farm jobs`. What
 * the environment says needs no word, and a key is a secret: `KEY` stands for it.
 */
export function completeCommands(text: string, { url, key, data, ca }: GlobalOptions): string {
  const given = [
    ...(url === undefined ? [] : ['--url', quoted(url)]),
    ...(key === undefined ? [] : ['--key', 'KEY']),
    ...(data === undefined ? [] : ['--data', quoted(data)]),
    ...(ca === undefined ? [] : ['--ca', quoted(ca)]),
  ]
  if (given.length === 0) return text
  const options = `shoal ${given.join(' ')} `
  return text.replace(COMMAND, () => options)
}
