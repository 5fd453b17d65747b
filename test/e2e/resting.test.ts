/** A node whose owner wants the machine for himself when it starts: the network is there all the same, and says so. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openRig, startTiny } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())

test('a network whose node rests when it starts says where it is, and that the node is parked', async () => {
  const network = await startTiny(rig, rig.path('resting'), ['--hours', hoursToCome()])
  assert.match(network.program.output(), /rests: its hours are [\s\S]* parked tiny /)
  assert.equal((await network.status()).nodes.online, 1)
  network.program.signal('SIGTERM')
  assert.equal((await network.program.end).code, 0)
})

/** An hour, half a day from now. */
function hoursToCome(): string {
  const hour = (new Date().getHours() + 12) % 24
  const pad = (of: number): string => `${String(of % 24).padStart(2, '0')}:00`
  return `${pad(hour)}-${pad(hour + 1)}`
}
