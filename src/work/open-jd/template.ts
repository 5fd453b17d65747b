/** The shape of a job template of Open Job Description 2023-09, as far as it runs here; what does not is refused by name. */
import { z } from 'zod'
import { STEPS_MAX } from '#protocol/job.ts'

/** A key that the specification has and we do not. */
const absent = (whatToDo: string) => z.never({ error: () => whatToDo }).optional()

const identifier = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'expected up to 64 letters, digits and _, no digit first')
const scalar = z.union([z.string(), z.number()])
const description = z.string().optional()
const userInterface = z.unknown().optional()
const NO_EXPR = 'the extension EXPR is not supported: write the value out'

const ParameterDefinition = z.discriminatedUnion('type', [
  z.strictObject({
    ...{ name: identifier, type: z.literal('STRING'), description, userInterface },
    default: z.string().optional(),
    allowedValues: z.array(z.string()).min(1).optional(),
    minLength: z.int().min(0).optional(),
    maxLength: z.int().min(0).optional(),
  }),
  z.strictObject({
    ...{ name: identifier, type: z.literal('PATH'), description, userInterface },
    default: z.string().optional(),
    allowedValues: z.array(z.string()).min(1).optional(),
    minLength: z.int().min(0).optional(),
    maxLength: z.int().min(0).optional(),
    objectType: z.enum(['FILE', 'DIRECTORY']).default('DIRECTORY'),
    dataFlow: z
      .enum(['NONE', 'IN', 'OUT'], {
        error:
          'expected NONE, IN or OUT; INOUT is not supported, for inputs are read-only: use one parameter for each',
      })
      .default('NONE'),
  }),
  ...(['INT', 'FLOAT'] as const).map((type) =>
    z.strictObject({
      ...{ name: identifier, type: z.literal(type), description, userInterface },
      default: scalar.optional(),
      allowedValues: z.array(scalar).min(1).optional(),
      minValue: scalar.optional(),
      maxValue: scalar.optional(),
    }),
  ),
])
export type ParameterDefinition = z.output<typeof ParameterDefinition>

const TaskParameter = z.discriminatedUnion('type', [
  z.strictObject({
    name: identifier,
    type: z.literal('INT'),
    range: z.union([z.string(), z.array(scalar).min(1).max(1_024)]),
  }),
  ...(['FLOAT', 'STRING', 'PATH'] as const).map((type) =>
    z.strictObject({ name: identifier, type: z.literal(type), range: z.array(scalar).min(1).max(1_024) }),
  ),
  z.strictObject({
    name: identifier,
    type: z.literal('CHUNK[INT]'),
    range: z.union([z.string(), z.array(scalar).min(1).max(1_024)]),
    chunks: z.strictObject({
      defaultTaskCount: scalar,
      targetRuntimeSeconds: scalar.optional(),
      rangeConstraint: z.enum(['CONTIGUOUS', 'NONCONTIGUOUS']),
    }),
  }),
])
export type TaskParameter = z.output<typeof TaskParameter>

const Action = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  timeout: scalar.optional(),
  cancelation: z
    .strictObject({
      mode: z.literal('TERMINATE', {
        error: 'expected TERMINATE: a task that is cancelled ends at once, and its folder with it',
      }),
    })
    .optional(),
})

const NO_ENVIRONMENT = 'environments are not supported: do it at the beginning of onRun'

const Script = z.strictObject({
  actions: z.strictObject({
    onRun: Action,
    onEnter: absent(NO_ENVIRONMENT),
    onExit: absent(NO_ENVIRONMENT),
  }),
  let: absent(NO_EXPR),
  embeddedFiles: z
    .array(
      z.strictObject({
        name: identifier,
        type: z.literal('TEXT'),
        filename: z.string().min(1).max(64).optional(),
        runnable: z.boolean().default(false),
        data: z.string(),
        endOfLine: z.enum(['LF'], { error: 'expected LF: nodes run Linux' }).optional(),
      }),
    )
    .optional(),
})
export type Script = z.output<typeof Script>

/** Ours, instead of a script: a step of an engine that keeps what it loaded from task to task. */
const EngineStep = z.strictObject({
  kind: z.enum(['blender', 'ffmpeg']),
  settings: z.record(z.string(), z.json()).default({}),
  task: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
})
export type EngineStep = z.output<typeof EngineStep>

const HostRequirements = z.strictObject({
  amounts: z
    .array(
      z.strictObject({
        name: z.string(),
        min: z.number().min(0).optional(),
        max: absent('an upper bound is not supported: leave it out, larger nodes do no harm'),
      }),
    )
    .optional(),
  attributes: z
    .array(
      z.strictObject({
        name: z.string(),
        anyOf: z.array(z.string()).optional(),
        allOf: z.array(z.string()).optional(),
      }),
    )
    .optional(),
})
export type HostRequirements = z.output<typeof HostRequirements>

const Step = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$/, 'expected 1 to 64 letters, digits, blanks, . _ or -'),
  description,
  dependencies: z.array(z.strictObject({ dependsOn: z.string() })).optional(),
  hostRequirements: HostRequirements.optional(),
  parameterSpace: z
    .strictObject({
      taskParameterDefinitions: z.array(TaskParameter).min(1).max(16),
      combination: z.string().max(1_280).optional(),
    })
    .optional(),
  script: Script.optional(),
  shoal: EngineStep.optional(),
  stepEnvironments: absent(NO_ENVIRONMENT),
  let: absent(NO_EXPR),
  bash: absent('the extension FEATURE_BUNDLE_1 is not supported: write a script with actions.onRun'),
  python: absent('the extension FEATURE_BUNDLE_1 is not supported: write a script with actions.onRun'),
})
export type Step = z.output<typeof Step>

export const JobTemplate = z.strictObject({
  $schema: z.string().optional(),
  specificationVersion: z.literal('jobtemplate-2023-09', {
    error: "expected 'jobtemplate-2023-09', a job template of Open Job Description",
  }),
  extensions: z
    .array(
      z.enum(['TASK_CHUNKING', 'SHOAL'], {
        error: 'expected TASK_CHUNKING or SHOAL: no other extension is supported',
      }),
    )
    .optional(),
  name: z.string().min(1).max(512),
  description,
  parameterDefinitions: z.array(ParameterDefinition).min(1).max(50).optional(),
  jobEnvironments: absent(NO_ENVIRONMENT),
  steps: z.array(Step).min(1).max(STEPS_MAX),
})
export type JobTemplate = z.output<typeof JobTemplate>
