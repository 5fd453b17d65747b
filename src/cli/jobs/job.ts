/** `shoal job`: one job, looked at and changed. */
import { Command } from 'commander'
import type { CliContext } from '../context.ts'
import { cancelJobCommand, capCommand, pauseCommand, priorityCommand, resumeCommand } from './job-change.ts'
import { fetchJobCommand } from './job-fetch.ts'
import { logsCommand, showJobCommand } from './job-show.ts'
import { submitJobCommand } from './job-submit.ts'
import { framesCommand, rejectCommand, requeueCommand, whyCommand } from './job-tasks.ts'
import { videoCommand } from './job-video.ts'

export function jobCommand(context: CliContext): Command {
  const command = new Command('job').description('look at a job, change it, get its results')
  const commands = [
    submitJobCommand,
    showJobCommand,
    logsCommand,
    framesCommand,
    whyCommand,
    fetchJobCommand,
    videoCommand,
    pauseCommand,
    resumeCommand,
    requeueCommand,
    rejectCommand,
    capCommand,
    priorityCommand,
    cancelJobCommand,
  ]
  for (const make of commands) command.addCommand(make(context))
  return command
}
