/** For the tests of the commands: the network's API over handlers in memory, asked as `fetch` asks one. */
import assert from 'node:assert/strict'
import { createControlServer } from '#coordinator/control-server.ts'
import type { Handlers } from '#protocol/route.ts'
import { type ControlRoutes, routes } from '#protocol/routes.ts'

type Authenticate = Parameters<typeof createControlServer<ControlRoutes>>[2]['authenticate']

const asOwner: Authenticate = () => ({ organisationId: 'org_1', keyId: 'key_1', scopes: ['owner'] })

/** As the owner of `org_1`, unless `authenticate` says otherwise. A bug of a handler fails the test. */
export function fetchFrom(
  handlers: Handlers<ControlRoutes>,
  authenticate: Authenticate = asOwner,
): (request: Request) => Promise<Response> {
  const app = createControlServer(routes, handlers, {
    authenticate,
    mayAnswer: () => true,
    requestId: () => 'req_9',
    clock: { elapsedMs: () => 0 },
    log: { info() {}, warn() {}, error() {} },
    hostnames: [],
    origins: [],
    openAiBaseUrl: 'http://127.0.0.1:7420/v1',
    onBug: (error) => assert.fail(error as Error),
  })
  return async (request) => app.fetch(request)
}
