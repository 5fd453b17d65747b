import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isInRanges, NetworkRange } from './network-range.ts'

test('an address is in the ranges that contain it, and in no other', () => {
  const rows: [string, string, boolean][] = [
    ['10.1.2.3', '10.0.0.0/8', true],
    ['11.1.2.3', '10.0.0.0/8', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.4', '10.1.2.3', false],
    ['10.1.2.4', '10.1.2.3/31', false],
    ['10.1.2.2', '10.1.2.3/31', true],
    ['1.2.3.4', '0.0.0.0/0', true],
    ['::1', '0.0.0.0/0', false],
    ['::ffff:10.1.2.3', '10.0.0.0/8', true],
    ['2001:db8::5', '2001:db8::/32', true],
    ['2001:db9::5', '2001:db8::/32', false],
    ['fe80::1%eth0', 'fe80::/10', true],
    ['febf::1', 'fe80::/10', true],
    ['fec0::1', 'fe80::/10', false],
    ['::1', '::1', true],
    ['', '0.0.0.0/0', false],
    ['unix', '::/0', false],
  ]
  for (const [address, range, isIn] of rows) {
    assert.equal(isInRanges(address, [range]), isIn, `${address} in ${range}`)
  }
  assert.equal(isInRanges('10.1.2.3', ['192.168.0.0/16', '10.0.0.0/8']), true)
  assert.equal(isInRanges('10.1.2.3', []), false)
})

test('what is no range is refused', () => {
  const good = ['1.2.3.4', '1.2.3.4/32', '::', '::/0', '1:2:3:4:5:6:7:8', '::ffff:1.2.3.4', 'fe80::1/64']
  const bad = ['', '1.2.3', '1.2.3.4/33', '1.2.3.256', '01.2.3.4', '1.2.3.4/', '1.2.3.4/8/8', ':', ':::']
  bad.push('1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '::/129', '1::2::3', 'g::', '10.0.0.0/-1', 'example.com')
  for (const text of good) assert.equal(NetworkRange.safeParse(text).success, true, text)
  for (const text of bad) assert.equal(NetworkRange.safeParse(text).success, false, text)
})
