import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NANO_PER_USD } from '#kernel/money.ts'
import { consumerAccount, providerAccount } from '#ledger/ledger.ts'
import { FIRST_CHECKED } from '#verify/audit-rate.ts'
import { recordOf } from '#verify/verify.ts'
import { checkState } from '../coordinator-state.ts'
import { grantsIn, type TestFloor } from './test-floor.ts'
import { deliver, enrol, openInspected, truth, verifiedPlan, work } from './test-inspected.ts'

describe('results of a verified job', () => {
  test('an honest node’s are rendered again in part by another owner’s, and count as checked', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(4))
    await floor.hello('a')
    await floor.hello('c')
    await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 12)
    const job = floor.job()
    assert.equal(job.status, 'completed')
    assert.equal(job.steps[0]?.checked, 4)
    const passed = recordOf(floor.state.verify, 'a').passed + recordOf(floor.state.verify, 'c').passed
    assert.equal(passed, 4)
    for (const grant of floor.grants.filter(({ params }) => params['do'] === 'crops'))
      assert.deepEqual([grant.params['crops'], grant.organisationId], ['0,0,15,15', 'org_payer'])
    checkState(floor.state)
  })

  test('a liar found out by two owners is unpaid, gets no more of the job, and its frames are made again', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(3))
    await floor.hello('a')
    const shows = (nodeId: string, grant: Parameters<typeof truth>[0]) =>
      nodeId === 'a' ? 'c' : truth(grant)
    await work(inspected, ['a'], shows, 3)
    await floor.hello('c')
    await floor.hello('d')
    await work(inspected, ['c', 'd'], shows, 12)
    const job = floor.job()
    assert.equal(job.status, 'completed')
    assert.equal(recordOf(floor.state.verify, 'a').failed > 0, true)
    assert(job.barred.has('a'))
    assert.deepEqual([...new Set(job.steps[0]?.tasks.map(({ result }) => result?.nodeId === 'a'))], [false])
    const { available, held } = floor.account(providerAccount('org_provider'))
    assert.deepEqual([available, held], [0n, 0n])
    checkState(floor.state)
  })

  test('a second verdict shuts a node out, with the reason', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(2))
    await floor.hello('a')
    const lies = (nodeId: string, grant: Parameters<typeof truth>[0]) => (nodeId === 'a' ? 'c' : truth(grant))
    await work(inspected, ['a'], lies, 2)
    await floor.hello('c')
    await floor.hello('d')
    await work(inspected, ['c', 'd'], lies, 8)
    await floor.world.run(4_000)
    await floor.present(['a', 'b', 'c', 'd', 'r'])
    await floor.hello('a')
    await floor.submit(verifiedPlan(2, { jobId: 'job_2', name: 'other' }))
    await work(inspected, ['a'], lies, 3)
    for (const nodeId of ['c', 'd']) await floor.hello(nodeId)
    await work(inspected, ['c', 'd'], lies, 12)
    assert.match(floor.state.fleet.nodes.get('a')?.bannedReason ?? '', /found to be false/)
  })

  test('who accuses falsely is contradicted by a third, and loses its standing', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(2))
    await floor.hello('a')
    await work(inspected, ['a'], (_, grant) => truth(grant), 2)
    await floor.hello('c')
    const smears = (nodeId: string, grant: Parameters<typeof truth>[0]) =>
      nodeId === 'c' ? 'd' : truth(grant)
    await work(inspected, ['c'], smears, 3)
    await floor.hello('d')
    await work(inspected, ['c', 'd'], smears, 10)
    assert.equal(floor.job().status, 'completed')
    const { failed, passed } = recordOf(floor.state.verify, 'a')
    assert.deepEqual([failed, passed], [0, 2])
    assert.equal(recordOf(floor.state.verify, 'c').failed, 0)
  })

  test('the operator’s own node needs no other to agree, and says it by a whole frame', async () => {
    const inspected = await setup()
    const { floor } = inspected
    floor.service.coordinator.execute((turn) =>
      turn.record([{ type: 'verify.reference_named', organisationId: 'org_r', atMs: turn.nowMs }]),
    )
    await floor.submit(verifiedPlan(3))
    await floor.hello('a')
    await floor.hello('r', { onlyAudits: true })
    let made = 0
    await work(
      inspected,
      ['a', 'r'],
      (nodeId, grant) => (nodeId === 'a' && ++made > 1 ? 'c' : truth(grant)),
      10,
    )
    const { passed, failed } = recordOf(floor.state.verify, 'a')
    assert.deepEqual([passed, failed], [1, 1])
    assert(floor.job().barred.has('a'))
    assert.equal(
      floor.grants.filter(({ params }) => params['do'] === 'frame' && params['frame']).length > 0,
      true,
    )
  })

  test('a scene whose crops tell nothing is audited by whole frames, and nobody is blamed', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(2))
    await floor.hello('a')
    await floor.hello('c')
    // Crops differ from every frame; frames are alike.
    await work(inspected, ['a', 'c'], (_, grant) => (grant.params['do'] === 'crops' ? 'e' : truth(grant)), 14)
    assert.equal(floor.job().status, 'completed')
    for (const nodeId of ['a', 'c']) {
      const { failed, wrong, disputed } = recordOf(floor.state.verify, nodeId)
      assert.deepEqual([failed, wrong, disputed], [0, 0, 0])
    }
    assert.equal(floor.state.verify.jobs.get('job_1')?.steps.get(0)?.isUncroppable, true)
  })

  test('frames that a glare touches, after one that it did not, convict nobody', async () => {
    const inspected = await setup()
    const { floor } = inspected
    floor.service.coordinator.execute((turn) =>
      turn.record([{ type: 'verify.reference_named', organisationId: 'org_r', atMs: turn.nowMs }]),
    )
    await floor.submit(verifiedPlan(4))
    await floor.hello('a')
    await floor.hello('r', { onlyAudits: true })
    // Of the first frame crops are what the frame is there, of the others they are not.
    const shows = (_: string, grant: Parameters<typeof truth>[0]) =>
      grant.params['do'] === 'crops' && grant.params['frame'] !== 1 ? 'e' : truth(grant)
    await work(inspected, ['a', 'r'], shows, 16)
    assert.equal(floor.job().status, 'completed')
    const { failed, passed } = recordOf(floor.state.verify, 'a')
    assert.deepEqual([failed, passed, floor.job().barred.size], [0, 4, 0])
  })

  test('a fault that everybody can see refuses a result at once, and its maker', async () => {
    const inspected = await setup()
    const { floor, keeper } = inspected
    keeper.faults.set('b', 'size_wrong')
    await floor.submit(verifiedPlan(1))
    const [grant] = grantsIn(await floor.hello('a'))
    assert(grant)
    await deliver(floor, 'a', grant, 'b')
    const task = floor.job().steps[0]?.tasks[0]
    assert.deepEqual([task?.state, task?.failedNodes, floor.job().spent], ['ready', ['a'], 0n])
    assert.equal(recordOf(floor.state.verify, 'a').faults, 1)
  })

  test('what a liar was paid before for what nobody looked at goes back to the customer, all of it', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(2))
    await floor.hello('a')
    await work(inspected, ['a'], (_, grant) => truth(grant), 1)
    // Nobody looks at the first for a minute: it counts, and is paid.
    for (let second = 0; second < 66; second++) {
      await floor.world.run(1_000)
      await floor.beat('a', inspected.given.get('a')?.map(({ fence }) => fence) ?? [])
    }
    assert.equal(floor.job().spent > 0n, true)
    for (const nodeId of ['c', 'd']) await floor.hello(nodeId)
    await work(inspected, ['a', 'c', 'd'], (nodeId, grant) => (nodeId === 'a' ? 'c' : truth(grant)), 12)
    assert.equal(floor.job().status, 'completed')
    assert.deepEqual([...floor.job().barred.keys()], ['a'])
    assert.equal(floor.account(providerAccount('org_provider')).held, 0n)
    const { available, held } = floor.account(consumerAccount('org_payer'))
    assert.equal(available + held, NANO_PER_USD - floor.job().spent)
    // Who lied says nothing about others until it is trusted again.
    const later = [...floor.state.work.jobs.values()].filter(({ audits }) => (audits?.fence ?? 0) > 2)
    assert.deepEqual(
      [...new Set(later.map(({ steps }) => steps[0]?.notOfOrganisations?.includes('org_provider')))],
      [true],
    )
    const makers = floor.job().steps[0]?.tasks.map(({ result }) => result?.nodeId)
    assert.equal(makers?.includes('a'), false)
    checkState(floor.state)
  })

  test('what was found out late of a result that is gone says nothing of the one after it', async () => {
    const inspected = await setup()
    const { floor, keeper } = inspected
    keeper.faults.set('b', 'size_wrong')
    keeper.slowMs.set('b', 20_000)
    keeper.slowMs.set('ac', 30_000)
    await floor.submit(verifiedPlan(1))
    const [first] = grantsIn(await floor.hello('a'))
    assert(first)
    await deliver(floor, 'a', first, 'b')
    const judged = { jobId: 'job_1', step: 0, task: 0, isGood: false, isChecked: false }
    await floor.command({ kind: 'judge', ...judged, nowMs: floor.nowMs() })
    const [second] = grantsIn(await floor.hello('c'))
    assert(second)
    await deliver(floor, 'c', second, 'ac')
    await floor.world.run(25_000)
    const task = floor.job().steps[0]?.tasks[0]
    assert.deepEqual([task?.state, task?.result?.nodeId], ['verifying', 'c'])
    assert.equal(recordOf(floor.state.verify, 'c').faults, 0)
  })

  test('without a node of another owner it counts after a minute, unverified, and its pay is held back', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(1))
    const [grant] = grantsIn(await floor.hello('a'))
    assert(grant)
    await deliver(floor, 'a', grant, 'ab')
    await floor.world.run(50_000)
    assert.equal(floor.job().status, 'active')
    await floor.world.run(15_000)
    assert.equal(floor.job().status, 'completed')
    assert.equal(floor.state.verify.jobs.get('job_1')?.unverified, 1)
    const { available, held } = floor.account(providerAccount('org_provider'))
    assert.deepEqual([available, held > 0n], [0n, true])
    checkState(floor.state)
  })

  test('where one says otherwise and no third is there, it is made again and nobody is a liar', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(1))
    await floor.hello('a')
    await work(inspected, ['a'], () => 'c', 1)
    await floor.hello('c')
    await work(inspected, ['c'], (_, grant) => truth(grant), 70, 1_000)
    assert.equal(floor.job().steps[0]?.tasks[0]?.result?.nodeId, 'c')
    assert.deepEqual(floor.job().steps[0]?.tasks[0]?.failedNodes, ['a'])
    assert.equal(recordOf(floor.state.verify, 'a').failed, 0)
    assert.equal(recordOf(floor.state.verify, 'a').disputed, 1)
  })

  for (const downMs of [200, 30_000]) {
    test(`a coordinator that dies with all under way goes on where it was, ${downMs} ms later`, async () => {
      const inspected = await setup()
      const { floor, keeper } = inspected
      await floor.submit(verifiedPlan(3))
      await floor.hello('a')
      keeper.isAway = true
      await work(inspected, ['a'], (_, grant) => truth(grant), 2)
      await restart(floor, downMs)
      keeper.isAway = false
      await floor.hello('a')
      await floor.hello('c')
      await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 3)
      await restart(floor, downMs)
      for (const nodeId of ['a', 'c']) await floor.hello(nodeId)
      await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 80)
      assert.equal(floor.job().status, 'completed')
      assert.equal(floor.state.verify.audits.size, 0)
      checkState(floor.state)
    })
  }

  test('where no other owner has a node that renders, a result does not wait for one', async () => {
    const inspected = await setup()
    const { floor } = inspected
    // Those of others have been there for long, and none of them renders.
    await floor.world.run(90_000)
    await floor.submit(verifiedPlan(1))
    await floor.hello('a')
    await floor.hello('c', { kinds: ['command'] })
    await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 1)
    await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 2, 1_000)
    assert.equal(floor.job().status, 'completed')
    assert.equal(floor.state.verify.jobs.get('job_1')?.unverified, 1)
  })

  test('one that was lost a moment ago is waited for, and it looks at the result', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.world.run(90_000)
    await floor.submit(verifiedPlan(1))
    await floor.hello('a')
    await floor.hello('d')
    await floor.world.run(6_000)
    await work(inspected, ['a'], (_, grant) => truth(grant), 1)
    await work(inspected, ['a'], (_, grant) => truth(grant), 10, 1_000)
    assert.equal(floor.job().status, 'active')
    await floor.hello('d')
    await work(inspected, ['a', 'd'], (_, grant) => truth(grant), 3)
    assert.deepEqual([floor.job().status, floor.job().steps[0]?.checked], ['completed', 1])
  })

  test('one that its owner wants for himself is waited for no longer than one that is lost', async () => {
    const inspected = await setup()
    const { floor } = inspected
    // Others have been there for long, and render nothing.
    await floor.world.run(90_000)
    await floor.submit(verifiedPlan(1))
    await floor.hello('a')
    await floor.hello('c')
    await floor.beat('c', [], 0)
    await work(inspected, ['a'], (_, grant) => truth(grant), 1)
    const rest = async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        await floor.beat('a')
        await floor.beat('c', [], 0)
        await floor.world.run(900)
      }
    }
    await rest(40)
    assert.equal(floor.job().status, 'active')
    await rest(30)
    assert.equal(floor.job().status, 'completed')
    assert.equal(floor.state.verify.jobs.get('job_1')?.unverified, 1)
  })

  test('one whose owner is back from a pause looks at results again', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.hello('a')
    await floor.hello('c')
    for (let second = 0; second < 80; second++) {
      await floor.beat('a')
      await floor.beat('c', [], 0)
      await floor.world.run(900)
    }
    await floor.submit(verifiedPlan(1))
    await floor.beat('c')
    await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 3)
    assert.deepEqual([floor.job().status, floor.job().steps[0]?.checked], ['completed', 1])
  })

  test('after a start nodes have a minute to come back, before an audit is given up', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(1))
    await floor.hello('a')
    await work(inspected, ['a'], (_, grant) => truth(grant), 1)
    await restart(floor, 70_000)
    await floor.world.run(5_000)
    assert.equal(floor.state.verify.audits.size, 1)
    await floor.hello('c')
    await work(inspected, ['c'], (_, grant) => truth(grant), 3)
    assert.deepEqual([floor.job().status, floor.job().steps[0]?.checked], ['completed', 1])
  })

  test('a result that nobody rendered again counts as good and not as checked, and its pay is held back', async () => {
    const inspected = await setup()
    const { floor } = inspected
    const frames = 24
    await floor.submit(verifiedPlan(frames))
    await floor.hello('a')
    await floor.hello('c', { onlyAudits: true })
    await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 3 * frames)
    assert.equal(floor.job().status, 'completed')
    const { passed } = recordOf(floor.state.verify, 'a')
    assert(passed >= FIRST_CHECKED && passed < frames, `${passed} of them were looked at`)
    const [step] = floor.job().steps
    const checked = step?.tasks.filter(({ result }) => result?.isChecked)
    assert.deepEqual([step?.checked, checked?.length], [passed, passed])
    const unchecked = step?.tasks.flatMap(({ result }, task) =>
      result?.isChecked === false ? [`job_1/0/${task}/${result.fence}`] : [],
    )
    const held = [...(floor.state.verify.held.get('a')?.values() ?? [])].filter(({ isChecked }) => !isChecked)
    assert.deepEqual(
      held.map(({ jobId, step, task, fence }) => `${jobId}/${step}/${task}/${fence}`).toSorted(),
      unchecked?.toSorted(),
    )
  })

  test('what a cancelled job owes is audited to its end', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await floor.submit(verifiedPlan(2))
    await floor.hello('a')
    await work(inspected, ['a'], (_, grant) => truth(grant), 2)
    assert.equal(floor.state.verify.audits.size > 0, true)
    await floor.command({ kind: 'cancel', jobId: 'job_1', nowMs: floor.nowMs() })
    assert.equal(floor.state.verify.audits.size > 0, true)
    await floor.world.run(70_000)
    assert.equal(floor.state.verify.audits.size, 0)
    const open = [...floor.state.work.jobs.values()].filter(({ status }) => status === 'active')
    assert.deepEqual(open, [])
    checkState(floor.state)
  })
})

async function restart(floor: TestFloor, downMs: number): Promise<void> {
  await floor.restart(downMs)
  await floor.present(['a', 'b', 'c', 'd', 'r'])
}

async function setup() {
  const opened = await openInspected()
  await enrol(opened.floor, ['c', 'd', 'r'])
  return opened
}
