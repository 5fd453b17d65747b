/** Programs of the operating system, for the roles that use some. */
import { type Check, type DoctorDeps, fail, isClone, note, ok, warn } from './doctor-check.ts'
import { findInstaller, missingParts, systemParts } from './system-parts.ts'

/**
 * Of what tests use, every missing program is missing. An operator of a network that has outgrown one machine may have
 * PostgreSQL, NATS and the proxy anywhere, so those are only named.
 */
export async function checkSystemParts(
  deps: Pick<DoctorDeps, 'machine' | 'role' | 'rootFolder'>,
): Promise<readonly Check[]> {
  const isForTests = deps.role === 'test'
  if (isForTests && !isClone(deps)) {
    const line = { name: 'Tests', found: 'not in this installation', neededFor: 'npm test' }
    return [fail(line, 'They come with the sources: clone the repository and run "npm test" there.')]
  }
  const parts = isForTests ? systemParts : systemParts.filter((part) => part.operating !== undefined)
  const [missing, installer] = await Promise.all([
    missingParts(deps.machine, parts),
    findInstaller(deps.machine),
  ])
  if (missing.length === 0)
    return [
      ok({
        name: 'System parts',
        found: parts.map((part) => part.binary).join(', '),
        neededFor: isForTests ? 'npm test' : 'a network that has outgrown one machine',
      }),
    ]
  return missing.map((part) => {
    const line = {
      name: part.package,
      found: isForTests ? 'not installed' : 'not on this machine, which is right unless it is to run here',
      neededFor: isForTests ? `${part.neededBy}: ${part.why}` : (part.operating ?? part.why),
    }
    return isForTests ? warn(line, installer([part.package])) : note(line, installer([part.package]))
  })
}
