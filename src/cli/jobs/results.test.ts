import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'
import type { JobFacts, TaskFacts } from './job-client.ts'
import type { ResultDisk } from './job-tools.ts'
import { createResults } from './results.ts'

test('a job that made a file anew replaces its own, from whatever folder it is fetched', async () => {
  const place = setup()
  await place.fetch({ from: '/home/ada', folder: 'out' })
  for (const [index, typed] of [
    { from: '/home/ada/out', folder: '.' },
    { from: '/', folder: '/home/ada/out' },
    { from: '/home/ada/other', folder: '../out' },
    { from: '/home/ada', folder: 'out' },
  ].entries()) {
    place.makeAnew(`${index}`)
    await place.fetch(typed)
    assert.equal(place.bytesAt('/home/ada/out/frame-0007.png'), `frame ${index}`)
  }
  assert.deepEqual(
    place.record(),
    ['first', '0', '1', '2', '3'].map((made) => `frame ${made} frame-0007.png`),
  )
})

test('so does one whose record is of an earlier release, with the path as it was typed', async () => {
  const place = setup()
  await place.fetch({ from: '/home/ada', folder: 'out' })
  place.write('/home/ada/out/.shoal/job_1', 'frame first out/frame-0007.png\n')
  place.makeAnew('again')
  await place.fetch({ from: '/', folder: '/home/ada/out' })
  assert.equal(place.bytesAt('/home/ada/out/frame-0007.png'), 'frame again')
})

test('what goes elsewhere is known by its whole path', async () => {
  const place = setup()
  await place.fetch({ from: '/home/ada', folder: 'out', instead: 'still.png' })
  place.makeAnew('again')
  await place.fetch({ from: '/home/ada/out', folder: '.', instead: '../still.png' })
  assert.equal(place.bytesAt('/home/ada/still.png'), 'frame again')
})

test('a file that is not this job’s is left as it is, whatever is called so elsewhere', async () => {
  const place = setup()
  place.write('/home/ada/out/frame-0007.png', 'mine')
  place.write('/home/ada/out/.shoal/job_1', 'mine out/other-frame-0007.png\n')
  await assert.rejects(place.fetch({ from: '/home/ada', folder: 'out' }), { code: 'conflict' })
  assert.equal(place.bytesAt('/home/ada/out/frame-0007.png'), 'mine')
})

/** A job of one frame, and a disk on which a hash is what it is of. */
function setup() {
  const held = new Map<string, string>()
  let [standsIn, made] = ['/', 'first']
  const at = (path: string): string => posix.resolve(standsIn, path)
  const disk = {
    absolute: at,
    look: async (path: string) => {
      const found = held.get(at(path))
      return found === undefined ? null : { kind: 'file' as const, bytes: 10 }
    },
    sha256: async (path: string) => held.get(at(path)) ?? '',
    async read(path: string) {
      const text = held.get(at(path))
      return text === undefined ? null : new TextEncoder().encode(text)
    },
    async give(from: string, to: string) {
      if (held.has(at(to))) return false
      held.set(at(to), held.get(at(from)) ?? '')
      return held.delete(at(from))
    },
    append: async (path: string, line: string) =>
      void held.set(at(path), `${held.get(at(path)) ?? ''}${line}\n`),
    remove: async (path: string) => void held.delete(at(path)),
  } as unknown as ResultDisk
  const job = {
    jobId: 'job_1',
    status: 'active',
    steps: [{ name: 'frames', kind: 'blender', dependsOn: [], done: 1 }],
  } as unknown as JobFacts
  const task = () =>
    ({
      ...{ step: 0, task: 0, params: { do: 'frame', frame: 7 }, state: 'done' },
      outputs: [{ name: 'frame-0007.png', bytes: 10, sha256: `frame ${made}` }],
    }) as unknown as TaskFacts
  return {
    bytesAt: (path: string) => held.get(path),
    write: (path: string, text: string) => void held.set(path, text),
    record: () => held.get('/home/ada/out/.shoal/job_1')?.trim().split('\n'),
    makeAnew(what: string) {
      made = what
    },
    fetch({ from, folder, instead }: { from: string; folder: string; instead?: string }) {
      standsIn = from
      const results = createResults({
        session: { signal: new AbortController().signal } as Parameters<typeof createResults>[0]['session'],
        jobs: { listJobTasks: async () => ({ items: [task()], next: null }) },
        files: { fetchFile: async ({ sha256 }, path) => void held.set(at(path), sha256) },
        ...{ disk, jobId: 'job_1', folder },
        ...(instead !== undefined && { instead: new Map([['frames', instead]]) }),
      })
      return results.sync(job)
    },
  }
}
