import { Problem } from '#protocol/problem.ts'
import { networkProblem, placeOf } from './network-problem.ts'

/**
 * `fetch` whose failures are problems that name the other side: `network_unreachable`, `network_timeout`, and
 * `cancelled` where the request's own signal ended it (or the problem that the signal carries as its reason). The same
 * holds for the body, which streams. Waits 10 s for a connection, 5 min for the head and between two pieces of the body.
 */
export async function fetchNetwork(request: Request): Promise<Response> {
  const place = placeOf(new URL(request.url))
  const explain = (error: unknown): Problem => fetchProblem(error, request.signal, place)
  let response: Response
  try {
    response = await fetch(request)
  } catch (error) {
    throw explain(error)
  }
  if (response.body === null) return response
  return new Response(withProblems(response.body, explain), response)
}

function fetchProblem(error: unknown, signal: AbortSignal, place: string): Problem {
  if (!signal.aborted) return networkProblem(error, place)
  const reason: unknown = signal.reason
  if (reason instanceof Problem) return reason
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    const text = `${place} had not answered when the time for it was over. Try again.`
    return new Problem('network_timeout', text, { details: { place }, cause: error })
  }
  return new Problem('cancelled', `The call to ${place} was given up.`, { details: { place }, cause: error })
}

/** `body` as it comes, read only as fast as the reader asks, with its failure explained. */
function withProblems(
  body: ReadableStream<Uint8Array>,
  explain: (error: unknown) => Problem,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(value)
        } catch (error) {
          controller.error(explain(error))
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
