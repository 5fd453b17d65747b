/**
 * The thread that owns a journal's file, so that no sync blocks the main one. It answers one message at a time; after
 * a write has failed it refuses every later one, because what is in memory is then ahead of what is on disk.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'
import { type FromWorker, type ToWorker, toPlain } from './sqlite-journal-messages.ts'
import { JournalStore } from './sqlite-journal-store.ts'

const port = parentPort
assert(port, 'the journal runs in a worker thread')
const send = (message: FromWorker): void => port.postMessage(message)

let failure: Problem | null = null
/** Entries up to here are forgotten, whether or not they are gone from the file yet. */
let trimTarget = 0
let isTrimming = false

const store = openStore(workerData)
if (store) {
  port.on('message', (message: ToWorker) => answer(store, message))
  send({ kind: 'opened', id: store.id, epoch: store.epoch, lastSequence: store.lastSequence })
}

function openStore(path: string): JournalStore | null {
  try {
    return new JournalStore(path)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    send({ kind: 'refused', problem: toPlain(error) })
    return null
  }
}

function answer(store: JournalStore, message: ToWorker): void {
  switch (message.kind) {
    case 'append':
      append(store, message.payloads)
      break
    case 'read':
      read(store, Math.max(message.fromSequence, trimTarget + 1), message.countMax)
      break
    case 'trim':
      trimTarget = Math.max(trimTarget, message.sequence)
      if (!isTrimming) setImmediate(trimStep, store)
      isTrimming = true
      break
    case 'close':
      write(() => {
        while (trimMore(store));
      })
      failure ??= new Problem('unavailable', 'The journal is closed.')
      store.close()
      port?.close()
  }
}

function append(store: JournalStore, payloads: readonly string[]): void {
  write(() => store.append(payloads))
  if (failure) {
    send({ kind: 'failed', problem: toPlain(failure) })
    return
  }
  send({ kind: 'appended' })
  // Nobody waits for this; what goes wrong in it fails the next append.
  write(() => store.checkpointIfDue())
}

/** Runs `work` unless a write has failed before, and remembers its problem. */
function write(work: () => void): void {
  if (failure) return
  try {
    work()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    failure = error
  }
}

function read(store: JournalStore, fromSequence: number, countMax: number): void {
  try {
    send({ kind: 'entries', ...store.read(fromSequence, countMax) })
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    send({ kind: 'unreadable', problem: toPlain(error) })
  }
}

/** Appends that wait go between two steps. */
function trimStep(store: JournalStore): void {
  write(() => {
    isTrimming = trimMore(store)
    if (!isTrimming) return
    store.checkpointIfDue()
    setImmediate(trimStep, store)
  })
}

/** What a full disk keeps from being forgotten lingers until the next trim. */
function trimMore(store: JournalStore): boolean {
  try {
    return store.trimSome(trimTarget)
  } catch (error) {
    if (error instanceof Problem && error.code === 'disk_full') return false
    throw error
  }
}
