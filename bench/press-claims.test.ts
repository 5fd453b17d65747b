import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { claims, tableOf } from './press-claims.ts'

const page = readFileSync(new URL('../docs/concepts/press-claims.md', import.meta.url), 'utf8')

for (const [claim, figures] of Object.entries(claims)) {
  test(`the page on "${claim}" has the figures that its commands give`, () => {
    for (const row of tableOf(figures)) assert.ok(page.includes(row), `not on the page: ${row}`)
  })
}
