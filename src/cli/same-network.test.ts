import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeCommands } from './same-network.ts'

test('a command that is told leads to the network that was asked', () => {
  const farm = { data: '/farm' }
  const rows: [text: string, options: Parameters<typeof completeCommands>[1], told: string][] = [
    ['Come back: shoal job fetch j --watch.', {}, 'Come back: shoal job fetch j --watch.'],
    [
      'Look: "shoal job show j". Or `shoal jobs`.',
      farm,
      'Look: "shoal --data /farm job show j". Or `shoal --data /farm jobs`.',
    ],
    [
      'shoal jobs',
      { url: 'https://a.example', key: 'sk', ca: 'a b' },
      "shoal --url https://a.example --key KEY --ca 'a b' jobs",
    ],
    [
      'Start one with `shoal up`, or `shoal provide`.',
      farm,
      'Start one with `shoal up`, or `shoal provide`.',
    ],
    ['shoal members accept t --url http://x', farm, 'shoal members accept t --url http://x'],
    ['a shoal of jobs', farm, 'a shoal of jobs'],
  ]
  for (const [text, options, told] of rows) assert.equal(completeCommands(text, options), told)
})
