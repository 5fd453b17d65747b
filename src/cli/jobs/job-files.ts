import { Problem } from '#protocol/problem.ts'
import type { Session } from '../session.ts'
import type { JobFiles, JobTools } from './job-tools.ts'

/** This machine's part in jobs, with the connection of the session. */
export async function openJobFiles({
  context,
  connection,
  signal,
}: Session): Promise<{ tools: JobTools; files: JobFiles }> {
  const tools = await context.jobTools?.()
  if (!tools) throw new Problem('not_supported', 'There are no files here that a job could read or write.')
  const { apiUrl, apiKey } = connection
  if (apiKey === null)
    throw new Problem(
      'invalid_api_key',
      `No key is kept for ${apiUrl}. Give one with --key, or as SHOAL_API_KEY.`,
    )
  const { fetch, sleep } = context
  return { tools, files: tools.files({ fetch, sleep, signal, baseUrl: apiUrl, token: () => apiKey }) }
}
