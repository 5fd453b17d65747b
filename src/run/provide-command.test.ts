import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProgress } from './provide-command.ts'

const STEERS = '\u001b]52;c;cm0gLXJm\u0007\u001b[2J'

test('what a network says of its node cannot steer the terminal of its owner', () => {
  const written: string[] = []
  const output = { isTty: true, columns: 80, write: (text: string) => void written.push(text) }
  const terminal = { stdout: output, stderr: output, env: { NO_COLOR: '1' } }
  const { step } = createProgress(terminal, { join: 'https://shoal.example' })
  step({ kind: 'note', text: `node_1 gets no work yet: ${STEERS}` })
  step({ kind: 'away', message: `Refused: ${STEERS}\nshoal: all is well` })
  step({ kind: 'waiting', why: STEERS })
  step({
    ...{ kind: 'serving', nodeId: 'node_1', askPerGpuHour: 1n, isParked: false },
    models: [{ id: `a model${STEERS}`, slots: 1, tokensPerSecond: 1 }],
  })
  const lines = written.join('').split('\n')
  assert.equal(lines.length, 5, 'each is one line')
  assert.match(lines[0] ?? '', /^shoal: node_1 gets no work yet: .*52;c;cm0gLXJm/)
  assert.doesNotMatch(lines.join(''), /\p{Cc}/u)
})
