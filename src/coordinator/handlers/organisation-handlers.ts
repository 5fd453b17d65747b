import { assert } from '#kernel/assert.ts'
import {
  defaultProject,
  type Organisation as StoredOrganisation,
  type Project as StoredProject,
  type ServiceAccount as StoredServiceAccount,
} from '#organisations/organisations.ts'
import type { Organisation } from '#protocol/organisation.ts'
import type { Project } from '#protocol/project.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import type { ServiceAccount } from '#protocol/service-account.ts'
import { openOrganisation } from '../open-organisation.ts'
import { act } from './act.ts'
import {
  createdAtMs,
  execute,
  type HandlerParts,
  isOperator,
  listedOrganisation,
  maySee,
  newestPage,
  newId,
  notFound,
  organisationFor,
} from './handler-parts.ts'
import { organisationProblem } from './organisation-problem.ts'

type Names =
  | 'createOrganisation'
  | 'listOrganisations'
  | 'getOrganisation'
  | 'createProject'
  | 'listProjects'
  | 'getProject'
  | 'archiveProject'
  | 'createServiceAccount'
  | 'listServiceAccounts'
  | 'getServiceAccount'
  | 'removeServiceAccount'

export function organisationHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  return { ...ownHandlers(parts), ...projectHandlers(parts), ...serviceAccountHandlers(parts) }
}

type OwnNames = 'createOrganisation' | 'listOrganisations' | 'getOrganisation'

function ownHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, OwnNames> {
  const { organisations } = parts.coordinator.state
  return {
    createOrganisation: ({ body }, caller, context) =>
      act(parts, { caller, context }, { details: { name: body.name } }, (turn, doing) => {
        const organisationId = newId('org', parts)
        const refusal = openOrganisation(turn, { organisationId, name: body.name })
        assert(refusal === null, 'a fresh id names no organisation yet')
        Object.assign(doing, { organisationId, objectId: organisationId })
        return toOrganisation(organisations.organisations.get(organisationId))
      }),

    listOrganisations: ({ query }) =>
      execute(parts, () => {
        const all = [...organisations.organisations.values()].map(toOrganisation)
        return newestPage(all, query, {
          atMsOf: createdAtMs,
          idOf: (organisation) => organisation.organisationId,
        })
      }),

    getOrganisation: ({ params }, caller) =>
      execute(parts, () => {
        const organisation = organisations.organisations.get(params.organisationId)
        if (!organisation || !maySee(caller, organisation.id)) {
          throw notFound('organisation', params.organisationId)
        }
        return toOrganisation(organisation)
      }),
  }
}

type ProjectNames = 'createProject' | 'listProjects' | 'getProject' | 'archiveProject'

function projectHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, ProjectNames> {
  const { organisations } = parts.coordinator.state
  return {
    createProject: ({ body }, caller, context) =>
      act(parts, { caller, context }, { details: { name: body.name } }, (turn, doing) => {
        const organisationId = organisationFor(parts, caller, body.organisationId)
        const projectId = newId('proj', parts)
        Object.assign(doing, { organisationId, objectId: projectId })
        const acting = { actorKeyId: caller.keyId, nowMs: turn.nowMs }
        const { name } = body
        const refusal = turn.organisations({
          kind: 'create_project',
          projectId,
          organisationId,
          name,
          ...acting,
        })
        if (refusal) throw organisationProblem(refusal, { organisation: organisationId })
        return toProject(organisations.projects.get(projectId))
      }),

    listProjects: ({ query }, caller) =>
      execute(parts, () => {
        const organisationId = listedOrganisation(caller, query.organisationId)
        const projects = [...organisations.projects.values()]
          .filter((project) => organisationId === null || project.organisationId === organisationId)
          .map(toProject)
        return newestPage(projects, query, { atMsOf: createdAtMs, idOf: (project) => project.projectId })
      }),

    getProject: ({ params }, caller) =>
      execute(parts, () => {
        const project = organisations.projects.get(params.projectId)
        if (!project || !maySee(caller, project.organisationId)) throw notFound('project', params.projectId)
        return toProject(project)
      }),

    archiveProject: ({ params: { projectId } }, caller, context) =>
      act(parts, { caller, context }, { objectId: projectId }, (turn, doing) => {
        const organisationId = ownerOf(caller, organisations.projects.get(projectId))
        doing.organisationId = organisationId
        const acting = { actorKeyId: caller.keyId, nowMs: turn.nowMs }
        const refusal = turn.organisations({ kind: 'archive_project', projectId, organisationId, ...acting })
        if (refusal) throw organisationProblem(refusal, { project: projectId })
        return toProject(organisations.projects.get(projectId))
      }),
  }
}

type ServiceAccountNames =
  | 'createServiceAccount'
  | 'listServiceAccounts'
  | 'getServiceAccount'
  | 'removeServiceAccount'

function serviceAccountHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, ServiceAccountNames> {
  const { organisations } = parts.coordinator.state
  return {
    createServiceAccount: ({ body }, caller, context) => {
      const details = { name: body.name, scopes: body.scopes.join(' ') }
      return act(parts, { caller, context }, { details }, (turn, doing) => {
        const organisationId = organisationFor(parts, caller, body.organisationId)
        const serviceAccountId = newId('svc', parts)
        Object.assign(doing, { organisationId, objectId: serviceAccountId })
        const { name, scopes } = body
        const created = { serviceAccountId, organisationId, name, scopes, actorKeyId: caller.keyId }
        const refusal = turn.organisations({ kind: 'create_service_account', ...created, nowMs: turn.nowMs })
        if (refusal) throw organisationProblem(refusal, { organisation: organisationId })
        return toServiceAccount(organisations.serviceAccounts.get(serviceAccountId))
      })
    },

    listServiceAccounts: ({ query }, caller) =>
      execute(parts, () => {
        const organisationId = listedOrganisation(caller, query.organisationId)
        const accounts = [...organisations.serviceAccounts.values()]
          .filter((account) => organisationId === null || account.organisationId === organisationId)
          .map(toServiceAccount)
        return newestPage(accounts, query, {
          atMsOf: createdAtMs,
          idOf: (account) => account.serviceAccountId,
        })
      }),

    getServiceAccount: ({ params: { serviceAccountId } }, caller) =>
      execute(parts, () => {
        const account = organisations.serviceAccounts.get(serviceAccountId)
        if (!account || !maySee(caller, account.organisationId)) {
          throw notFound('service account', serviceAccountId)
        }
        return toServiceAccount(account)
      }),

    removeServiceAccount: ({ params: { serviceAccountId } }, caller, context) =>
      act(parts, { caller, context }, { objectId: serviceAccountId }, (turn, doing) => {
        const organisationId = ownerOf(caller, organisations.serviceAccounts.get(serviceAccountId))
        doing.organisationId = organisationId
        const removed = { serviceAccountId, organisationId, actorKeyId: caller.keyId }
        const refusal = turn.organisations({ kind: 'remove_service_account', ...removed, nowMs: turn.nowMs })
        if (refusal) throw organisationProblem(refusal, { service_account: serviceAccountId })
        return toServiceAccount(organisations.serviceAccounts.get(serviceAccountId))
      }),
  }
}

/** In which organisation the caller looks for an object that it names: an operator where it is, others in their own. */
export const ownerOf = (
  caller: Parameters<typeof isOperator>[0] & { organisationId: string },
  object: { organisationId: string } | undefined,
): string => (isOperator(caller) ? (object?.organisationId ?? caller.organisationId) : caller.organisationId)

function toOrganisation(organisation: StoredOrganisation | undefined): Organisation {
  assert(organisation, 'the organisation is there')
  const { id: organisationId, name, createdAtMs } = organisation
  return { organisationId, name, createdAtMs }
}

function toProject(project: StoredProject | undefined): Project {
  assert(project, 'the project is there')
  const { id: projectId, organisationId, name, createdAtMs, archivedAtMs } = project
  const isDefault = projectId === defaultProject(organisationId)
  return { projectId, organisationId, name, isDefault, createdAtMs, archivedAtMs }
}

function toServiceAccount(account: StoredServiceAccount | undefined): ServiceAccount {
  assert(account, 'the service account is there')
  const { id: serviceAccountId, organisationId, name, scopes, createdAtMs, removedAtMs } = account
  return { serviceAccountId, organisationId, name, scopes: [...scopes], createdAtMs, removedAtMs }
}
