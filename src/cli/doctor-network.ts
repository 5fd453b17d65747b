/** The clock of this machine against that of the network which was named. */
import { SECOND_MS } from '#kernel/time.ts'
import { Health } from '#protocol/network-status.ts'
import { Problem } from '#protocol/problem.ts'
import { CREDENTIALS_FILE, Credentials } from './credentials.ts'
import { type Check, type DoctorDeps, fail, ok, warn } from './doctor-check.ts'

const SKEW_MS_MAX = 30 * SECOND_MS

/** Nothing where no network was named. */
export async function checkNetwork(
  deps: Pick<DoctorDeps, 'clock' | 'fetch' | 'networkUrl'>,
): Promise<Check | null> {
  const { clock, networkUrl } = deps
  if (networkUrl === null) return null
  const line = { name: 'Network', found: networkUrl, neededFor: 'joining it, and trusting its certificates' }
  const date = await askDate(deps, networkUrl)
  if (date instanceof Problem)
    return fail({ ...line, found: `${networkUrl} shows a certificate that is refused` }, date.message)
  if (date === 'unanswered')
    return warn(
      { ...line, found: `${networkUrl} does not answer` },
      `Check the address, the tunnel or proxy, and that the network runs: shoal status --url ${networkUrl}`,
    )
  const skewMs = clock.nowMs() - date
  if (Number.isNaN(skewMs)) return ok({ ...line, found: `${networkUrl} answers` })
  const seconds = Math.round(Math.abs(skewMs) / SECOND_MS)
  if (Math.abs(skewMs) <= SKEW_MS_MAX)
    return ok({ ...line, found: `${networkUrl} answers; its clock and this one agree` })
  return fail(
    {
      ...line,
      found: `this clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} that of ${networkUrl}`,
    },
    'Set the wrong one of the two right and keep it so: timedatectl set-ntp true.',
  )
}

/** Its clock, `NaN` where it does not say; the problem where its certificate is not believed. */
async function askDate(
  deps: Pick<DoctorDeps, 'fetch'>,
  networkUrl: string,
): Promise<number | Problem | 'unanswered'> {
  try {
    const response = await deps.fetch(new Request(networkUrl, { method: 'HEAD', redirect: 'manual' }))
    await response.body?.cancel()
    return Date.parse(response.headers.get('date') ?? '')
  } catch (error) {
    return error instanceof Problem && error.code === 'certificate_refused' ? error : 'unanswered'
  }
}

/** The name of the network of this data folder, if it is the one that answers on the port; `null` for another program. */
export async function networkHere(
  deps: Pick<DoctorDeps, 'machine' | 'dataFolder' | 'port' | 'fetch'>,
): Promise<string | null> {
  const { machine, dataFolder, port } = deps
  const text = machine.readFile(`${dataFolder}/${CREDENTIALS_FILE}`)
  if (text === null) return null
  try {
    const url = new URL(Credentials.parse(JSON.parse(text)).apiUrl)
    if (url.port !== String(port)) return null
    const response = await deps.fetch(new Request(new URL('/api/health', url)))
    const health = Health.safeParse(await response.json())
    return health.success ? health.data.networkName : null
  } catch {
    return null // No answer, or not that of a network: another program has the port.
  }
}
