import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { Problem, type ProblemCode } from '#protocol/problem.ts'
import { toDiskProblem } from './disk-problem.ts'

test('each error of the disk has its code, and names the file', () => {
  const cases: [object, ProblemCode][] = [
    [{ errno: -28, code: 'ENOSPC' }, 'disk_full'],
    [{ errno: -122, code: 'EDQUOT' }, 'disk_full'],
    [{ errno: -30, code: 'EROFS' }, 'disk_read_only'],
    [{ errno: -13, code: 'EACCES' }, 'disk_read_only'],
    [{ errno: -5, code: 'EIO' }, 'disk_failed'],
    [{ errno: -20, code: 'ENOTDIR' }, 'disk_failed'],
    [{ errcode: 13 }, 'disk_full'],
    [{ errcode: 4_874 }, 'disk_full'],
    [{ errcode: 8 }, 'disk_read_only'],
    [{ errcode: 1_032 }, 'disk_read_only'],
    [{ errcode: 11 }, 'journal_corrupt'],
    [{ errcode: 267 }, 'journal_corrupt'],
    [{ errcode: 26 }, 'journal_corrupt'],
    [{ errcode: 5 }, 'folder_in_use'],
    [{ errcode: 10 }, 'disk_failed'],
    [{ errcode: 1_034 }, 'disk_failed'],
    [{ errcode: 14 }, 'disk_failed'],
  ]
  for (const [fields, code] of cases) {
    const error = Object.assign(new Error('said the system'), fields)
    const problem = toDiskProblem(error, `${tmpdir()}/ledger.db`)
    assert.equal(problem.code, code, JSON.stringify(fields))
    assert.equal(problem.cause, error)
    assert.ok(problem.message.includes(`${tmpdir()}/ledger.db`))
  }
})

test('a file that could not be opened in a missing folder is a failed disk', () => {
  const error = Object.assign(new Error('unable to open database file'), { errcode: 14 })
  assert.equal(toDiskProblem(error, '/nowhere/at/all/ledger.db').code, 'disk_failed')
})

test('a problem stays as it is', () => {
  const problem = new Problem('epoch_stale', 'stop')
  assert.equal(toDiskProblem(problem, '/x'), problem)
})

test('what no disk raised is a bug and is thrown', () => {
  const bugs = [
    new TypeError('x is not a function'),
    Object.assign(new Error('constraint'), { errcode: 19 }),
    'text',
  ]
  for (const bug of bugs)
    assert.throws(
      () => toDiskProblem(bug, '/x'),
      (error) => error === bug,
    )
})

test('an error that Node raises is recognised', () => {
  try {
    readFileSync(tmpdir())
    assert.fail('a folder was read as a file')
  } catch (error) {
    assert.equal(toDiskProblem(error, tmpdir()).code, 'disk_failed')
  }
})
