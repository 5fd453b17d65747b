import { Command } from 'commander'
import type { PageQuery } from '#protocol/page.ts'
import type { Project } from '#protocol/project.ts'
import { routes } from '#protocol/routes.ts'
import type { CliContext } from './context.ts'
import { formatAge } from './format.ts'
import { groupCommand } from './group.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, show, showNext, showTable } from './session.ts'
import { type Column, printable } from './table.ts'

/** `shoal projects`: what keys and usage are counted for. */
export const projectsCommand = (context: CliContext): Command =>
  groupCommand(
    { name: 'projects', description: 'what keys and usage are counted for' },
    listCommand(context),
    [createCommand(context), archiveCommand(context)],
  )

const listCommand = (context: CliContext): Command =>
  withPageOptions(new Command('list').description("list the organisation's projects"), 100).action(
    (_word: undefined, options: PageQuery, command: Command) =>
      runSession(context, command, async (session) => {
        const page = await session.member.listProjects({ query: pageOfOptions(options) })
        show(session, routes.listProjects.reply, page, () => {
          const columns = columnsAt(context.clock.nowMs())
          return showTable(session, columns, page.items, 'No projects.') + showNext(session, page.next)
        })
      }),
  )

const createCommand = (context: CliContext): Command =>
  new Command('create')
    .description('create a project; then make keys for it with `shoal keys create --project`')
    .argument('<name>', 'what it is')
    .option('--organisation <id>', "another organisation than the key's own (operators only)")
    .action((name: string, { organisation }: { organisation?: string }, command: Command) =>
      runSession(context, command, async (session) => {
        const of = organisation === undefined ? {} : { organisationId: organisation }
        const project = await session.operator.createProject({ body: { name, ...of } })
        show(session, routes.createProject.reply, project, () =>
          printable(`Created ${project.projectId} (${project.name}).`),
        )
      }),
    )

const archiveCommand = (context: CliContext): Command =>
  new Command('archive')
    .description('archive a project that no live key belongs to; its usage stays')
    .argument('<project-id>', 'its id, from `shoal projects`')
    .action((projectId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const project = await session.operator.archiveProject({ params: { projectId } })
        show(session, routes.archiveProject.reply, project, () => printable(`${project.name} is archived.`))
      }),
    )

const columnsAt = (nowMs: number): Column<Project>[] => [
  { title: 'ID', text: (project) => project.projectId },
  { title: 'NAME', text: (project) => project.name },
  { title: 'CREATED', text: (project) => formatAge(project.createdAtMs, nowMs) },
  {
    title: 'STATE',
    text: (project) =>
      project.archivedAtMs === null ? (project.isDefault ? 'default' : 'open') : 'archived',
    tone: (project) => (project.archivedAtMs === null ? 'good' : 'dim'),
  },
]
