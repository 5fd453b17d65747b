import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PlugKind, parsePlugReply } from './plug-reading.ts'

/** Answers of real plugs, with what is beside the point left out. */
const readings: readonly [
  name: string,
  kind: PlugKind,
  reply: unknown,
  watts: number,
  wattHours: number | null,
][] = [
  [
    'a Shelly Plus Plug S',
    'shelly-rpc',
    {
      id: 0,
      source: 'init',
      output: true,
      apower: 412.7,
      voltage: 231.4,
      current: 1.83,
      aenergy: { total: 11_679.127, by_minute: [6_870.1, 6_880.5, 0], minute_ts: 1_800_000_000 },
      temperature: { tC: 39.1, tF: 102.4 },
    },
    412.7,
    11_679.127,
  ],
  [
    'a Shelly PM Mini of the third generation',
    'shelly-rpc',
    { id: 0, voltage: 230.1, current: 0.4, apower: 90.2, freq: 50, aenergy: { total: 12.5 } },
    90.2,
    12.5,
  ],
  [
    'a Shelly Plug S of the first generation, whose counter counts watt-minutes',
    'shelly',
    {
      relays: [{ ison: true, has_timer: false, overpower: false }],
      meters: [
        { power: 2.21, is_valid: true, timestamp: 1_680_779_310, counters: [2.1, 2.1, 2.1], total: 439_237 },
      ],
      temperature: 34.48,
      uptime: 18_961_214,
    },
    2.21,
    439_237 / 60,
  ],
  [
    'Tasmota',
    'tasmota',
    {
      StatusSNS: {
        Time: '2026-11-22T21:28:28',
        ENERGY: {
          TotalStartTime: '2024-08-14T20:17:44',
          Total: 19.257,
          Yesterday: 1.2,
          Today: 0.4,
          Power: 301,
          Voltage: 230,
        },
      },
    },
    301,
    19_257,
  ],
  [
    'an old Tasmota',
    'tasmota',
    { StatusPWR: { Total: 0.52, Today: 0.32, Power: 27, Factor: 0.94 } },
    27,
    520,
  ],
  ['a plug whose meter rests a little below zero', 'shelly-rpc', { apower: -0.3 }, 0, null],
]

for (const [name, kind, reply, watts, wattHours] of readings) {
  test(`${name} is read`, () => assert.deepEqual(parsePlugReply(kind, reply), { watts, wattHours }))
}

const silences: readonly [name: string, kind: PlugKind, reply: unknown, says: RegExp, isOfPlug: boolean][] = [
  ['no meter', 'shelly-rpc', { id: 0, output: true }, /without a meter/, false],
  ['a meter that failed', 'shelly-rpc', { apower: null, errors: ['power_meter'] }, /without a meter/, false],
  [
    'a method that is not there',
    'shelly-rpc',
    { code: 404, message: 'No handler for X' },
    /No handler/,
    true,
  ],
  [
    'a measurement that it calls invalid',
    'shelly',
    { meters: [{ power: 0, is_valid: false }] },
    /not valid/,
    true,
  ],
  ['two sockets of a Shelly', 'shelly', { meters: [{ power: 1 }, { power: 2 }] }, /several sockets/, true],
  [
    'two sockets of Tasmota',
    'tasmota',
    { StatusSNS: { ENERGY: { Total: 0, Power: [1, 0] } } },
    /several/,
    true,
  ],
  [
    'a password that is missing',
    'tasmota',
    { WARNING: 'Need user=<username>&password=<password>' },
    /Need user/,
    true,
  ],
  ['power that is fed in', 'shelly-rpc', { apower: -300 }, /feeds power in/, true],
  ['an absurd reading', 'shelly-rpc', { apower: 1e9 }, /without a meter/, false],
  ['a page that is no object', 'tasmota', 'hello', /without a meter/, false],
]

for (const [name, kind, reply, says, isOfPlug] of silences) {
  test(`${name}: no reading, and why`, () => {
    const answer = parsePlugReply(kind, reply)
    assert.ok('problem' in answer)
    assert.match(answer.problem, says)
    assert.equal(answer.isOfPlug, isOfPlug)
  })
}
