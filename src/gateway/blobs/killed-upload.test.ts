import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { uploadWithKills } from './test-killed-upload.ts'

test('an upload killed 5 times sends no more than 8 MiB again each time', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-killed-'))
  try {
    const path = join(dir, 'file')
    const bytes = randomBytes(72 << 20)
    writeFileSync(path, bytes)
    const { kills, sentBytes, stored } = await uploadWithKills({ path, folder: join(dir, 'store'), kills: 5 })
    assert.equal(kills, 5)
    assert.equal(stored, createHash('sha256').update(bytes).digest('hex'))
    const again = sentBytes - bytes.length
    assert.ok(again <= 5 * (8 << 20) + bytes.length * 0.01, `${again} bytes were sent again`)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
