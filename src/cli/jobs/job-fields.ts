import { formatDuration } from '#kernel/time.ts'
import { formatAge, formatCount, formatTime } from '../format.ts'
import type { Column } from '../table.ts'
import type { JobFacts, TaskFacts } from './job-client.ts'
import { etaText, factsOf, formatCost, formatPercent, pauseText, stepsText } from './job-words.ts'

export function jobFields(job: JobFacts): [string, string][] {
  const { lastOutput, endedAtMs } = job
  const [pause, eta] = [pauseText(job), etaText(job)]
  return [
    ['id', job.jobId],
    ['name', job.name],
    ['status', job.status],
    ...(pause === null ? [] : [['paused', pause] as [string, string]]),
    ['tier', `${job.tier}, priority ${job.priority}`],
    ['progress', `${formatPercent(job.progress)} · ${stepsText(job)}${eta === '' ? '' : ` · ${eta}`}`],
    ['work', factsOf(job).join(' · ')],
    [
      'cost',
      `${formatCost(job.spent)} spent, ${formatCost(job.reserved)} set aside, cap ${formatCost(job.cap)}`,
    ],
    ['price', `${formatCost(job.pricePerHour)} per reference hour`],
    ['submitted', `${formatTime(job.submittedAtMs)} UTC`],
    ...(endedAtMs === null
      ? []
      : [
          [
            'ended',
            `${formatTime(endedAtMs)} UTC, after ${formatDuration(endedAtMs - job.submittedAtMs)}`,
          ] as [string, string],
        ]),
    ...(lastOutput === null ? [] : [['newest file', lastOutput.name] as [string, string]]),
  ]
}

export const jobColumns = (nowMs: number): Column<JobFacts>[] => [
  { title: 'JOB', text: ({ jobId }) => jobId },
  { title: 'NAME', text: ({ name }) => name },
  {
    title: 'STATUS',
    text: ({ status }) => status,
    tone: ({ status }) => (status === 'completed' ? 'good' : status === 'paused' ? 'warning' : 'plain'),
  },
  { title: 'DONE', isRight: true, text: ({ progress }) => formatPercent(progress) },
  {
    title: 'TASKS',
    isRight: true,
    text: ({ steps }) => {
      const sum = (of: (step: JobFacts['steps'][number]) => number) =>
        steps.reduce((all, step) => all + of(step), 0)
      return `${formatCount(sum(({ done }) => done))}/${formatCount(sum(({ tasks }) => tasks))}`
    },
  },
  { title: 'COST', isRight: true, text: ({ spent }) => formatCost(spent) },
  { title: 'CAP', isRight: true, text: ({ cap }) => formatCost(cap) },
  { title: 'SUBMITTED', text: ({ submittedAtMs }) => formatAge(submittedAtMs, nowMs) },
]

const tones = { done: 'good', failed: 'bad', blocked: 'dim', cancelled: 'dim' } as const

export const taskColumns = ({ steps }: Pick<JobFacts, 'steps'>): Column<TaskFacts>[] => [
  { title: 'STEP', text: ({ step }) => steps[step]?.name ?? String(step) },
  {
    title: 'TASK',
    isRight: true,
    text: ({ task, params }) => (typeof params['frame'] === 'number' ? String(params['frame']) : `#${task}`),
  },
  {
    title: 'STATE',
    text: ({ state, attempts }) => {
      const most = Math.max(0, ...attempts.map(({ fraction }) => fraction))
      return state === 'leased' && most > 0 ? `${state} ${formatPercent(most)}` : state
    },
    tone: ({ state }) => tones[state as keyof typeof tones] ?? 'plain',
  },
  {
    title: 'NODE',
    text: ({ nodeId, attempts }) => nodeId ?? (attempts.map((attempt) => attempt.nodeId).join(', ') || '–'),
  },
  {
    title: 'REF. S',
    isRight: true,
    text: ({ referenceSeconds }) => (referenceSeconds === null ? '–' : referenceSeconds.toFixed(2)),
  },
  { title: 'COST', isRight: true, text: ({ charge }) => (charge === null ? '–' : formatCost(charge)) },
  { title: 'CHECKED', text: ({ isChecked, state }) => (isChecked ? 'yes' : state === 'done' ? 'no' : '–') },
  { title: 'FAILED ON', text: ({ failedNodes }) => failedNodes.join(', ') || '–' },
]
