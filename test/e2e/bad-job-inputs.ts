/** Calls about jobs that are refused, each with what the caller is told: what was found, and what to do next. */

export interface BadJobCall {
  readonly path: string
  readonly body: unknown
  readonly status: number
  readonly code: string
  readonly says: RegExp
}

const step = { name: 'one', kind: 'command', tasks: [{ part: 1 }], estimateMs: 1_000 }
const frames = {
  name: 'frames',
  kind: 'blender',
  inputRoot: 'a0'.repeat(32),
  tasks: [{ do: 'frame', frame: 1 }],
}
const quote = { name: 'a job', steps: [step] }
const twoSteps = (second: object): object => ({ steps: [step, { ...step, name: 'two', ...second }] })

type Row = readonly [change: unknown, says: RegExp]

const ofQuote = (rows: readonly Row[]): BadJobCall[] =>
  rows.map(([change, says]) => ({
    path: '/api/quotes',
    body: { ...quote, ...(change as object) },
    status: 400,
    code: 'invalid_request',
    says,
  }))
const ofStep = (rows: readonly Row[]): BadJobCall[] =>
  ofQuote(rows.map(([change, says]) => [{ steps: [{ ...step, ...(change as object) }] }, says]))
const ofFrames = (rows: readonly Row[]): BadJobCall[] =>
  ofQuote(rows.map(([change, says]) => [{ steps: [{ ...frames, ...(change as object) }] }, says]))

export const badQuotes: readonly BadJobCall[] = [
  { path: '/api/quotes', body: '{"name":', status: 400, code: 'invalid_json', says: /JSON/ },
  { path: '/api/quotes', body: [], status: 400, code: 'invalid_request', says: /object/ },
  ...ofQuote([
    [{ name: undefined }, /`name`/],
    [{ name: 'two\nlines' }, /`name`.*one line/],
    [{ name: 'x'.repeat(101) }, /`name`/],
    [{ tier: 'gold' }, /`tier`.*trusted/],
    [{ isIdempotent: 'yes' }, /`isIdempotent`/],
    [{ organisationId: 'org_other' }, /`organisationId`, which this call does not know/],
    [{ steps: [] }, /`steps`/],
    [{ steps: Array.from({ length: 21 }, (_, at) => ({ ...step, name: `s${at}` })) }, /`steps`/],
    [twoSteps({ name: 'one' }), /another step has the same name/],
    [twoSteps({ dependsOn: ['three'] }), /depends on "three", which is no earlier step/],
    [twoSteps({ dependsOn: ['two'] }), /depends on "two", which is no earlier step/],
    [twoSteps({ dependsOn: ['one', 'one'] }), /depends on the same step twice/],
    [
      {
        steps: [
          { ...step, dependsOn: ['two'] },
          { ...step, name: 'two', dependsOn: ['one'] },
        ],
      },
      /no earlier step/,
    ],
    [{ steps: [{ ...step, takesResults: true }] }, /takes results and depends on no step/],
    [
      {
        steps: [
          { ...step, tasks: parts(60_000) },
          { ...step, name: 'two', tasks: parts(60_000) },
        ],
      },
      /has 120000 tasks, more than the 100000 of a job/,
    ],
  ]),
  ...ofStep([
    [{ name: '' }, /`steps\[0\]\.name`/],
    [{ name: '../up' }, /`steps\[0\]\.name`.*letters, digits/],
    [{ name: 'x'.repeat(65) }, /`steps\[0\]\.name`/],
    [{ kind: 'unreal' }, /`steps\[0\]\.kind`.*blender/],
    [{ tasks: [] }, /`steps\[0\]\.tasks`/],
    [{ tasks: parts(100_001) }, /`steps\[0\]\.tasks`/],
    [{ tasks: [{ part: 1 }, { part: 1 }] }, /tasks 0 and 1 have the same parameters/],
    [{ tasks: [{ part: { nested: 1 } }] }, /`steps\[0\]\.tasks\[0\]/],
    [{ tasks: ['1-10'] }, /`steps\[0\]\.tasks\[0\]`/],
    [{ inputRoot: 'xyz' }, /`steps\[0\]\.inputRoot`.*hex/],
    [{ estimateMs: 0 }, /`steps\[0\]\.estimateMs`/],
    [{ estimateMs: -5 }, /`steps\[0\]\.estimateMs`/],
    [{ estimateMs: 1.5 }, /`steps\[0\]\.estimateMs`/],
    [{ requirements: { memoryMib: -1 } }, /memoryMib/],
    [{ requirements: { gpus: 1 } }, /gpus/],
    [{ cost: 1 }, /cost/],
  ]),
  ...ofFrames([
    [{ inputRoot: null }, /Upload the scene/],
    [{ tasks: [{ frame: 1 }] }, /task 0 says neither what to do nor of which frame/],
    [{ tasks: [{ do: 'frame', frame: 1.5 }] }, /whole number/],
    [{ tasks: [{ do: 'frame', frame: '1-' }] }, /whole number/],
    [{ tasks: [{ do: 'explode', frame: 1 }] }, /Expected do:/],
    [
      {
        tasks: [
          { do: 'frame', frame: 7 },
          { do: 'frame', frame: 7 },
        ],
      },
      /same file to make/,
    ],
  ]),
]

function parts(count: number): object[] {
  return Array.from({ length: count }, (_, part) => ({ part }))
}

/** On a job that is there, and one that is not. */
export const badJobCalls = (jobId: string, quoteId: string): readonly BadJobCall[] => {
  const job = `/api/jobs/${jobId}`
  const invalid = { status: 400, code: 'invalid_request' }
  const missing = { status: 404, code: 'not_found' }
  const conflict = { status: 409, code: 'conflict' }
  return [
    { path: '/api/jobs', body: {}, ...invalid, says: /`quoteId`/ },
    { path: '/api/jobs', body: { quoteId: 'quote_none' }, ...missing, says: /no quote quote_none.*new one/ },
    { path: '/api/jobs', body: { quoteId, cap: '0' }, ...invalid, says: /`cap`/ },
    { path: '/api/jobs', body: { quoteId, cap: '-1' }, ...invalid, says: /`cap`/ },
    { path: '/api/jobs', body: { quoteId, cap: '1.5' }, ...invalid, says: /`cap`/ },
    { path: '/api/jobs', body: { quoteId, cap: 2_000_000_000 }, ...invalid, says: /`cap`/ },
    { path: '/api/jobs', body: { quoteId, priority: 101 }, ...invalid, says: /`priority`/ },
    { path: '/api/jobs', body: { quoteId, priority: -1 }, ...invalid, says: /`priority`/ },
    { path: '/api/jobs', body: { quoteId, organisationId: 'o' }, ...invalid, says: /organisationId/ },
    { path: `${job}/cap`, body: { cap: '0' }, ...invalid, says: /`cap`/ },
    { path: `${job}/cap`, body: { cap: '-5' }, ...invalid, says: /`cap`/ },
    { path: `${job}/cap`, body: {}, ...invalid, says: /`cap`/ },
    {
      path: `${job}/cap`,
      body: { cap: '900000000000000000' },
      status: 402,
      code: 'funds_insufficient',
      says: /900000000\.00 USD is held until the job ends.*Deposit more/,
    },
    { path: `${job}/priority`, body: { priority: 'high' }, ...invalid, says: /`priority`/ },
    { path: `${job}/pause`, body: { for: 'ever' }, ...invalid, says: /`for`/ },
    { path: `${job}/requeue`, body: { tasks: [{ step: 0, task: 9 }] }, ...missing, says: /no such task/ },
    { path: `${job}/requeue`, body: { tasks: [{ step: 7, task: 0 }] }, ...missing, says: /no such task/ },
    { path: `${job}/requeue`, body: { tasks: [{ step: -1, task: 0 }] }, ...invalid, says: /step/ },
    { path: `${job}/requeue`, body: { tasks: [{ step: 0, task: 0 }] }, ...conflict, says: /has not failed/ },
    { path: `${job}/tasks/0/0/reject`, body: {}, ...invalid, says: /`reason`/ },
    { path: `${job}/tasks/0/0/reject`, body: { reason: '' }, ...invalid, says: /`reason`/ },
    { path: `${job}/tasks/0/0/reject`, body: { reason: 'dark' }, ...conflict, says: /no result/ },
    { path: `${job}/tasks/9/0/reject`, body: { reason: 'dark' }, ...missing, says: /no step 9/ },
    { path: `${job}/tasks/0/-1/reject`, body: { reason: 'dark' }, ...missing, says: /no task -1/ },
    { path: '/api/jobs/job_none/pause', body: {}, ...missing, says: /no job job_none/ },
  ]
}

/** Reads that are refused. */
export const badJobReads = (jobId: string): readonly Omit<BadJobCall, 'body'>[] => {
  const job = `/api/jobs/${jobId}`
  const invalid = { status: 400, code: 'invalid_request' }
  const missing = { status: 404, code: 'not_found' }
  return [
    { path: '/api/quotes/quote_none', ...missing, says: /no quote quote_none/ },
    { path: '/api/jobs/job_none', ...missing, says: /no job job_none/ },
    { path: '/api/jobs?status=sleeping', ...invalid, says: /`status`.*active/ },
    { path: '/api/jobs?limit=0', ...invalid, says: /`limit`/ },
    { path: '/api/jobs?before=nonsense', ...invalid, says: /no page before "nonsense"/ },
    { path: '/api/jobs?organisationId=org_none', ...missing, says: /no organisation org_none/ },
    { path: `${job}/tasks?state=asleep`, ...invalid, says: /`state`/ },
    { path: `${job}/tasks?step=-1`, ...invalid, says: /`step`/ },
    { path: `${job}/tasks?before=1`, ...invalid, says: /no page before "1"/ },
    { path: `${job}/tasks/x/0/why`, ...missing, says: /no step x/ },
    { path: `${job}/tasks/0/7/why`, ...missing, says: /no task 7/ },
    { path: `${job}/news?after=-1`, ...invalid, says: /`after`/ },
    { path: `${job}/news?waitMs=30001`, ...invalid, says: /`waitMs`/ },
  ]
}
