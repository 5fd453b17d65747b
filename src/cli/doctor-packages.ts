/** Whether the packages that Shoal runs on are all there: a clone stamps its installations, an installed package is looked through. */
import { z } from 'zod'
import { foldersAbove, versionOf } from '#host/engine-builds.ts'
import { type Check, type DoctorDeps, fail, isClone, ok, warn } from './doctor-check.ts'

type Deps = Pick<DoctorDeps, 'machine' | 'crypto' | 'rootFolder'>

const line = (found: string) => ({ name: 'Packages', found, neededFor: 'everything' })

export function checkPackages(deps: Deps): Check {
  return isClone(deps) ? checkStamp(deps) : checkInstalled(deps)
}

/** Compares with the stamp that `bootstrap.mjs` leaves after an installation. */
function checkStamp(deps: Deps): Check {
  const read = (name: string) => deps.machine.readFile(`${deps.rootFolder}/${name}`)
  const stamp = read('node_modules/.shoal-stamp')
  const fix = `Run "npm install" in ${deps.rootFolder}; "npm start" and "npm test" do it by themselves.`
  if (stamp === null) return warn(line('not known to be complete: no stamp of an installation'), fix)
  const digest = deps.crypto.sha256((read('package.json') ?? '') + (read('package-lock.json') ?? ''))
  const isFresh = stamp.trim() === Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return isFresh
    ? ok(line('as package.json and package-lock.json say'))
    : warn(line('package.json or package-lock.json changed since they were installed'), fix)
}

const Manifest = z.object({
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
})

function checkInstalled({ machine, rootFolder }: Deps): Check {
  const text = machine.readFile(`${rootFolder}/package.json`)
  const parsed = Manifest.safeParse(text === null ? null : parseJson(text))
  const tarball = `./shoal-${parsed.success ? parsed.data.version : 'VERSION'}.tgz`
  // Never by its name alone: what stands under it on a registry may be anybody's.
  const fix = `Install Shoal again in the folder that you installed it in, from the tarball that it came as: npm install ${tarball}`
  if (!parsed.success) return fail(line(`${rootFolder}/package.json is damaged`), fix)
  const wanted = Object.entries(parsed.data.dependencies)
  const wrong = wanted.flatMap(([name, version]) => {
    const found = foldersAbove(rootFolder)
      .map((folder) => versionOf(machine, folder, name))
      .find((candidate) => candidate !== null)
    if (found === version) return []
    return [found === undefined ? `${name} is missing` : `${name} is ${found}, not ${version}`]
  })
  return wrong.length === 0
    ? ok(line(`all ${wanted.length} of Shoal ${parsed.data.version}`))
    : fail(line(wrong.join('; ')), fix)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
