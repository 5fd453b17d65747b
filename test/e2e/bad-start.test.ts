/** Networks that cannot start: each says in one sentence why and what to do, with the exit code of its kind, and leaves nothing. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { mountSmallDisk } from '#host/node/small-disk.ts'
import { createTestAuthority, opensslMissing } from '#host/node/test-certificates.ts'
import { groupMembers } from './process-group.ts'
import { openRig, startNetwork } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())

const badOptions: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [['--port', '99999'], /'--port <port>' argument '99999' is invalid\. Expected a port from 0 to 65535/],
  [['--fee-bps', '-1'], /Expected a number from 0 to 10000/],
  [['--test-balance', 'lots'], /Expected an amount in USD such as 0\.25/],
  [['--name', ''], /Expected 1 to 100 characters/],
  [['--upstream', 'vllm'], /Expected an address such as http:/],
  [['--model', 'nonsense'], /^shoal: The model "nonsense" does not name a GGUF file\. Give the path/m],
]

test('a bad value of an option is refused before anything runs, with what was expected', async (t) => {
  for (const [args, says] of badOptions) {
    await t.test(args.join(' '), async () => {
      const { code, stderr } = await rig.run(['up', '--data', rig.path('options'), ...args])
      assert.equal(code, 2)
      assert.match(stderr, says)
      assert.doesNotMatch(stderr, /^\s+at /m)
    })
  }
})

interface BadStart {
  readonly args?: readonly string[]
  readonly folder?: string
  readonly code: number
  readonly says: RegExp
}

async function assertRefused({ args = [], folder = rig.path('data'), code, says }: BadStart): Promise<void> {
  const program = rig.start(['up', '--data', folder, '--port', '0', ...args])
  const end = await program.end
  assert.equal(end.code, code, end.stderr)
  assert.match(end.stderr, says)
  assert.equal(end.stderr.match(/^shoal: /gm)?.length, 1, 'one sentence')
  assert.doesNotMatch(end.stderr, /^\s+at /m)
  assert.deepEqual(groupMembers(program.pid), [])
}

test('a taken port', async () => {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as { port: number }
  try {
    await assertRefused({
      args: ['--no-agent', '--port', String(port)],
      code: 8,
      says: new RegExp(`^shoal: Port ${port} on 127\\.0\\.0\\.1 is taken .*--port\\.$`, 'm'),
    })
  } finally {
    server.close()
  }
})

test('a model that is not there', () =>
  assertRefused({
    args: ['--model', rig.path('none.gguf')],
    code: 6,
    says: /^shoal: .*none\.gguf does not exist\. Check the path/m,
  }))

test('a model that was cut short', async () => {
  const path = rig.path('cut.gguf')
  writeFileSync(path, 'GGUF\x03\0\0\0')
  await assertRefused({
    args: ['--model', path],
    code: 8,
    says: /^shoal: .*cut\.gguf is not a usable model: .* Delete it/m,
  })
})

test('a file where the data folder should be', async () => {
  writeFileSync(rig.path('file'), '')
  await assertRefused({
    folder: rig.path('file'),
    code: 8,
    says: /^shoal: .*a file stands where a folder should be.* choose another folder with --data\.$/m,
  })
})

test('a journal that is none', async () => {
  const folder = rig.path('damaged')
  mkdirSync(join(folder, 'journals'), { recursive: true })
  writeFileSync(join(folder, 'journals/journal.db'), 'not a database at all, '.repeat(1_000))
  await assertRefused({
    folder,
    args: ['--no-agent'],
    code: 8,
    says: /^shoal: .*journal\.db is damaged .* Restore it from a backup/m,
  })
})

test('a journal from a newer Shoal, one that another network has open, and one of another secret', async (t) => {
  const folder = rig.path('used')
  const network = await startNetwork(rig, folder, ['--no-agent'])
  await t.test('open elsewhere', () =>
    assertRefused({
      folder,
      args: ['--no-agent'],
      code: 8,
      says: /^shoal: .* in use by .*\. .*--data.*\.$/m,
    }),
  )
  network.program.signal('SIGINT')
  assert.equal((await network.program.end).code, 0)
  const file = join(folder, 'journals/journal.db')
  if (!existsSync(file)) return t.skip('this store keeps its journal elsewhere')
  const before = readFileSync(file)
  const database = new DatabaseSync(file)
  const format = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  database.exec(`PRAGMA user_version = ${format + 1}`)
  database.close()
  const newer = `in journal format ${format + 1}; this one reads up to format ${format}\\. Update Shoal\\.$`
  await assertRefused({
    folder,
    args: ['--no-agent'],
    code: 8,
    says: new RegExp(`^shoal: .*journal\\.db was written by a newer Shoal, ${newer}`, 'm'),
  })
  writeFileSync(file, before)
  const secret = join(folder, 'secrets/key-secret')
  writeFileSync(secret, 'of another network')
  await assertRefused({
    folder,
    args: ['--no-agent'],
    code: 2,
    says: /^shoal: .*`key-secret` in the folder of secrets\) is not the one of this network\. .*from a backup\.$/m,
  })
  // One that is lost is made anew: what stays is that keys of before open nothing.
  rmSync(secret)
  const again = await startNetwork(rig, folder, ['--no-agent'])
  assert.notEqual(again.operatorKey, network.operatorKey)
  assert.equal((await again.operator.checkLedger()).sum, 0n, 'nothing was lost')
})

test('a certificate that has expired', { skip: opensslMissing }, async (t) => {
  const authority = createTestAuthority()
  t.after(() => authority.dispose())
  const gone = authority.issue('gone', 'DNS:net.example', -1)
  await assertRefused({
    args: ['--listen', '0.0.0.0', '--tls-cert', gone.certFile, '--tls-key', gone.keyFile],
    code: 2,
    says: /^shoal: .*gone\.pem expired on .* Renew it, and start again\.$/m,
  })
})

test('a database that is not there', () =>
  assertRefused({
    args: ['--no-agent', '--database', 'postgres://shoal@127.0.0.1:1/none'],
    code: 7,
    says: /^shoal: PostgreSQL at 127\.0\.0\.1:1\/none cannot be reached \(.*\)\. .*\.$/m,
  }))

test('a data folder that cannot be written', async (t) => {
  const disk = mountSmallDisk(1_024)
  if (typeof disk === 'string') return t.skip(disk)
  t.after(() => disk.dispose())
  disk.protect()
  await assertRefused({
    folder: join(disk.folder, 'data'),
    code: 8,
    says: /^shoal: .* cannot be written .*Make the folder writable for this user, or choose another with --data\.$/m,
  })
})
