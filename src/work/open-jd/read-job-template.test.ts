import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { BlenderSettings, BlenderTask } from '#engines/blender/blender-messages.ts'
import { CommandSettings } from '#engines/command/command-settings.ts'
import { FfmpegSettings } from '#protocol/ffmpeg-settings.ts'
import { Problem } from '#protocol/problem.ts'
import { parametersOf, readJobTemplate } from './read-job-template.ts'

test('a template becomes steps whose tasks are the combinations of its parameters', () => {
  const job = readJobTemplate(
    template({
      name: 'Shot {{Param.Shot}}',
      parameterDefinitions: [
        { name: 'Shot', type: 'STRING', default: 's1', allowedValues: ['s1', 's2'] },
        { name: 'Scene', type: 'PATH', objectType: 'FILE', dataFlow: 'IN', default: './scenes/a.blend' },
        { name: 'Out', type: 'PATH', dataFlow: 'OUT', default: 'pictures/' },
        { name: 'End', type: 'INT', default: 3, minValue: 1 },
      ],
      steps: [
        step({
          name: 'Render',
          parameterSpace: {
            taskParameterDefinitions: [
              { name: 'Frame', type: 'INT', range: '1-{{Param.End}}' },
              { name: 'Eye', type: 'STRING', range: ['left', 'right'] },
            ],
          },
          hostRequirements: {
            amounts: [
              { name: 'amount.worker.memory', min: 512.5 },
              { name: 'amount.worker.vcpu', min: 1 },
            ],
            attributes: [{ name: 'attr.worker.os.family', anyOf: ['linux', 'windows'] }],
          },
          script: {
            actions: {
              onRun: {
                command: 'bash',
                args: [
                  '{{Task.File.Run}}',
                  '{{ Param.Scene }}',
                  '{{RawParam.Scene}}',
                  '{{Param.Out}}/{{Task.Param.Frame}}',
                ],
                timeout: '90',
                cancelation: { mode: 'TERMINATE' },
              },
            },
            embeddedFiles: [
              {
                name: 'Run',
                type: 'TEXT',
                filename: 'run.sh',
                runnable: true,
                data: 'cd {{Session.WorkingDirectory}} # {{Param.Shot}} {{Task.Param.Eye}}\n',
              },
            ],
          },
        }),
      ],
    }),
    { parameters: { Shot: 's2', End: '2' }, inputRoot: ROOT },
  )
  assert.deepEqual(job, {
    name: 'Shot s2',
    steps: [
      {
        name: 'Render',
        kind: 'command',
        dependsOn: [],
        takesResults: false,
        inputRoot: ROOT,
        settings: {
          command: 'bash',
          args: [
            '{{Task.File.Run}}',
            '{{Shoal.Inputs}}/scenes/a.blend',
            'scenes/a.blend',
            '{{Session.WorkingDirectory}}/pictures/{{Task.Param.Frame}}',
          ],
          files: [
            {
              name: 'Run',
              filename: 'run.sh',
              data: 'cd {{Session.WorkingDirectory}} # s2 {{Task.Param.Eye}}\n',
              isRunnable: true,
            },
          ],
          timeoutMs: 90_000,
          outputs: ['pictures/**'],
        },
        requirements: { memoryMib: 513, vramMib: 0 },
        tasks: [
          { Frame: 1, Eye: 'left' },
          { Frame: 1, Eye: 'right' },
          { Frame: 2, Eye: 'left' },
          { Frame: 2, Eye: 'right' },
        ],
      },
    ],
  })
})

test('combinations join, multiply and keep their order', () => {
  const tasks = (combination: string | undefined) => {
    const taskParameterDefinitions = [
      { name: 'A', type: 'INT', range: [1, '2'] },
      { name: 'B', type: 'FLOAT', range: [0.5, '1.50'] },
      { name: 'C', type: 'PATH', range: ['x', './y/'] },
    ]
    const space = { taskParameterDefinitions, ...(combination === undefined ? {} : { combination }) }
    return read(template({ steps: [step({ parameterSpace: space })] }))
      .steps[0]?.tasks.map(({ A, B, C }) => `${A}${B}${C}`)
      .join(' ')
  }
  const all = '10.5x 10.5y 11.50x 11.50y 20.5x 20.5y 21.50x 21.50y'
  assert.equal(tasks(undefined), all)
  assert.equal(tasks('A*B*C'), all)
  assert.equal(tasks('(A, B, C)'), '10.5x 21.50y')
  assert.equal(tasks('C * (B,A)'), '10.5x 21.50x 10.5y 21.50y')
  assert.equal(tasks('((A), (B)) * C'), '10.5x 10.5y 21.50x 21.50y')
})

test('chunks are runs of neighbours, or any numbers, of the size that was asked for', () => {
  const chunks = (range: unknown, rangeConstraint: string, defaultTaskCount: unknown = 10) =>
    read(
      template({
        extensions: ['TASK_CHUNKING'],
        steps: [
          step({
            parameterSpace: {
              taskParameterDefinitions: [
                {
                  name: 'F',
                  type: 'CHUNK[INT]',
                  range,
                  chunks: { defaultTaskCount, rangeConstraint, targetRuntimeSeconds: '900' },
                },
                { name: 'L', type: 'STRING', range: ['a'] },
              ],
            },
          }),
        ],
      }),
    ).steps[0]?.tasks.map(({ F }) => F)
  const specified = ['1-1', '10-12', '18-27', '28-37', '38-47', '48-50']
  assert.deepEqual(chunks('1,10-12,18-50', 'CONTIGUOUS'), specified)
  assert.deepEqual(chunks('1-60:2', 'NONCONTIGUOUS'), ['1-19:2', '21-39:2', '41-59:2'])
  assert.deepEqual(chunks([7, 1, 3, 2, 20], 'NONCONTIGUOUS', '3'), ['1-3', '7,20'])
  assert.deepEqual(chunks('-3--1,5', 'CONTIGUOUS'), ['-3--1', '5-5'])
})

test('engines of ours take their settings and tasks from the same parameters, and follow what they depend on', () => {
  const job = read(
    template({
      extensions: ['SHOAL'],
      parameterDefinitions: [
        { name: 'Fps', type: 'FLOAT', default: 23.976 },
        { name: 'Samples', type: 'INT', default: '64' },
      ],
      steps: [
        {
          name: 'video',
          dependencies: [{ dependsOn: 'frames' }],
          shoal: {
            kind: 'ffmpeg',
            settings: { frames: 'frames/*.png', fps: '{{Param.Fps}}', out: 'shot-{{Param.Samples}}.mp4' },
          },
        },
        {
          name: 'frames',
          parameterSpace: { taskParameterDefinitions: [{ name: 'Frame', type: 'INT', range: '1-2' }] },
          shoal: {
            kind: 'blender',
            settings: { file: 'scene.blend', remap: { '/a': 'b/{{Param.Samples}}' } },
            task: { do: 'frame', frame: '{{Task.Param.Frame}}', samples: '{{Param.Samples}}' },
          },
        },
      ],
    }),
  )
  const [frames, video] = job.steps
  assert.deepEqual([frames?.name, frames?.kind, video?.kind], ['frames', 'blender', 'ffmpeg'])
  assert.deepEqual([video?.dependsOn, video?.takesResults, video?.tasks], [['frames'], true, [{}]])
  assert.deepEqual(
    frames?.tasks,
    [1, 2].map((frame) => ({ do: 'frame', frame, samples: 64 })),
  )
  assert.deepEqual(frames?.settings, { file: 'scene.blend', remap: { '/a': 'b/64' } })
  assert.deepEqual(video?.settings, { frames: 'frames/*.png', fps: 23.976, out: 'shot-64.mp4' })
})

test('what cannot be taken is named with its place, what is there and what to do', () => {
  const space = (...taskParameterDefinitions: object[]) => ({ parameterSpace: { taskParameterDefinitions } })
  const one = (part: object) => template({ steps: [step(part)] })
  const run = (onRun: object, script: object = {}) =>
    one({ script: { actions: { onRun: { command: 'x', ...onRun } }, ...script } })
  const film = (settings: object) => ({
    ...one({
      script: undefined,
      shoal: { kind: 'ffmpeg', settings: { frames: 'frames/*.png', ...settings }, task: {} },
    }),
    extensions: ['SHOAL'],
  })
  const chunk = {
    name: 'F',
    type: 'CHUNK[INT]',
    range: '1-3',
    chunks: { defaultTaskCount: 2, rangeConstraint: 'CONTIGUOUS' },
  }
  const rows: [document: unknown, message: RegExp][] = [
    [null, /expected object/],
    ['text', /expected object/],
    [
      { ...template({}), specificationVersion: 'environment-2023-09' },
      /^specificationVersion: expected 'jobtemplate-2023-09'/,
    ],
    [template({ extensions: ['EXPR'] }), /extensions\[0\]: expected TASK_CHUNKING or SHOAL/],
    [template({ steps: [] }), /^steps: /],
    [
      template({ jobEnvironments: [] }),
      /^jobEnvironments: environments are not supported: do it at the beginning of onRun/,
    ],
    [one({ stepEnvironments: [{}] }), /^steps\[0\].stepEnvironments: environments are not supported/],
    [
      one({
        script: { actions: { onRun: { command: 'x', cancelation: { mode: 'NOTIFY_THEN_TERMINATE' } } } },
      }),
      /onRun.cancelation.mode: expected TERMINATE/,
    ],
    [one({ colour: 1 }), /^steps\[0\].colour: there is no such key here/],
    [one({ script: undefined }), /^steps\[0\]: expected a script/],
    [template({ steps: [step({}), step({})] }), /^steps\[1\].name: there are two steps named S/],
    [
      one({ dependencies: [{ dependsOn: 'T' }] }),
      /^steps\[0\].dependencies\[0\].dependsOn: there is no step T/,
    ],
    [one({ dependencies: [{ dependsOn: 'S' }] }), /S cannot wait for itself/],
    [
      template({
        steps: [
          step({ name: 'A', dependencies: [{ dependsOn: 'B' }] }),
          step({ name: 'B', dependencies: [{ dependsOn: 'A' }] }),
        ],
      }),
      /^steps\[0\].dependencies: A, B wait for each other/,
    ],
    [
      one(space({ name: 'F', type: 'INT', range: '10-1' })),
      /^steps\[0\].parameterSpace.taskParameterDefinitions\[0\].range: '10-1' has '10-1': 1 does not come after 10 going up/,
    ],
    [one(space({ name: 'F', type: 'INT', range: '1-' })), /has '1-': expected a number, 'first-last'/],
    [one(space({ name: 'F', type: 'INT', range: '' })), /has an empty part/],
    [one(space({ name: 'F', type: 'INT', range: '1-5,3' })), /has 3 twice/],
    [one(space({ name: 'F', type: 'INT', range: '1-100001' })), /more than 100000 numbers/],
    [
      one(space({ name: 'F', type: 'INT', range: '{{Param.No}}' })),
      /names \{\{Param.No\}\}, which means nothing there; there are: none/,
    ],
    [one(space({ name: 'F', type: 'INT', range: ['1.5'] })), /range\[0\]: '1.5' is no whole number/],
    [
      one(space({ name: 'F', type: 'INT', range: '1-2' }, { name: 'F', type: 'INT', range: '1-2' })),
      /two parameters named F/,
    ],
    [
      one(space(chunk)),
      /^steps\[0\].parameterSpace: CHUNK\[INT\] needs the line extensions: \[TASK_CHUNKING\]/,
    ],
    [
      { ...one(space(chunk, { ...chunk, name: 'G' })), extensions: ['TASK_CHUNKING'] },
      /F and G are both CHUNK\[INT\]/,
    ],
    [
      {
        ...one(space({ ...chunk, chunks: { ...chunk.chunks, defaultTaskCount: 0 } })),
        extensions: ['TASK_CHUNKING'],
      },
      /defaultTaskCount: expected at least 1/,
    ],
    [combination('A * C'), /combination: there is no parameter C/],
    [combination('A'), /the parameter B is missing there/],
    [combination('A * A * B'), /A stands there twice/],
    [combination('(A, B'), /has its end where '\)' or ',' is expected/],
    [combination('A + B'), /has '\+' where '\*' or the end is expected/],
    [combination('(A, B)'), /must have equally many values, and has 2 and 3/],
    [
      one({
        parameterSpace: {
          taskParameterDefinitions: ['A', 'B'].map((name) => ({ name, type: 'INT', range: '1-1000' })),
        },
      }),
      /makes 1000000 tasks and more, and a step may have 100000/,
    ],
    [
      run({ args: ['{{Task.Param.F}}'] }),
      /^steps\[0\].script.actions.onRun.args\[0\]: \{\{Task.Param.F\}\} means nothing here: the step has no such parameter/,
    ],
    [run({ args: ['{{Env.File.X}}'] }), /environments are not supported/],
    [run({ args: ['{{Session.PathMappingRulesFile}}'] }), /there are no rules/],
    [run({ command: 'x {{' }), /onRun.command: has '\{\{' without/],
    [run({ timeout: 0 }), /onRun.timeout: expected 1 to 604800 seconds, found 0/],
    [
      run({}, { embeddedFiles: [{ name: 'A', type: 'TEXT', filename: 'a/b', data: '' }] }),
      /filename: 'a\/b' is no name/,
    ],
    [
      one({ hostRequirements: { amounts: [{ name: 'amount.worker.gpu', min: 1 }] } }),
      /amounts\[0\]: amount.worker.gpu is not supported/,
    ],
    [
      one({ hostRequirements: { attributes: [{ name: 'attr.worker.os.family', anyOf: ['windows'] }] } }),
      /no node has that/,
    ],
    [
      one({ script: undefined, shoal: { kind: 'ffmpeg' } }),
      /^steps\[0\].shoal: needs the line extensions: \[SHOAL\]/,
    ],
    [film({ codec: 'h265' }), /^steps\[0\]\.shoal\.settings\.codec: /],
    [film({ codec: 'vp9' }), /^steps\[0\]\.shoal\.settings\.out: expected the ending of the codec/],
    [film({ frame: 'a.png' }), /^steps\[0\]\.shoal\.settings\.frame: there is no such key here/],
  ]
  for (const [document, message] of rows) refused(() => read(document), message)
})

test('the example of the documentation is a job, and its engines take its steps', () => {
  const page = readFileSync(new URL('../../../docs/reference/job-files.md', import.meta.url), 'utf8')
  const example = /```yaml\n(.*?)```/s.exec(page)?.[1] ?? ''
  const { name, steps } = readJobTemplate(parse(example), { parameters: { Frames: '1-48' }, inputRoot: ROOT })
  const [frames, video, check] = steps
  assert.deepEqual([name, frames?.tasks.length, video?.tasks.length], ['Shot s1', 48, 1])
  assert.deepEqual(
    check?.tasks,
    ['1-20', '21-40', '41-48'].map((Frame) => ({ Frame })),
  )
  BlenderSettings.parse(frames?.settings)
  BlenderTask.parse(frames?.tasks[0])
  assert.equal(FfmpegSettings.parse(video?.settings).fps, 23.976)
  const { args, timeoutMs } = CommandSettings.parse(check?.settings)
  assert.deepEqual(args, ['{{Task.File.Check}}', '{{Shoal.Inputs}}/frames', '{{Task.Param.Frame}}'])
  assert.equal(timeoutMs, 600_000)
})

test('a value that a parameter may not have is told, with what it may', () => {
  const definitions = [
    { name: 'N', type: 'INT', default: 5, minValue: 1, maxValue: '9' },
    { name: 'T', type: 'STRING', default: 'ab', allowedValues: ['ab', 'cd'], maxLength: 2 },
    { name: 'P', type: 'PATH', default: 'a' },
  ]
  const document = template({ parameterDefinitions: definitions })
  const rows: [parameters: Record<string, string | number>, message: RegExp][] = [
    [{ N: 0 }, /N: 0 is less than 1/],
    [{ N: '10' }, /N: 10 is more than 9/],
    [{ N: '5x' }, /'5x' is no whole number/],
    [{ N: '99999999999999999999' }, /is no whole number/],
    [{ T: 'xy' }, /'xy' is none of ab, cd/],
    [{ T: '{{Param.N}}' }, /holds '\{\{'/],
    [{ P: '/etc/passwd' }, /does not lie below the job's folder/],
    [{ P: 'a/../../b' }, /does not lie below/],
    [{ P: 'C:\\x' }, /does not lie below/],
    [{ Q: 1 }, /there is no parameter Q; there are: N, T, P/],
  ]
  for (const [parameters, message] of rows)
    refused(() => readJobTemplate(document, { parameters, inputRoot: null }), message)
  const needed = template({ parameterDefinitions: [{ name: 'N', type: 'INT' }] })
  refused(() => read(needed), /N has no value and no default: give N=…/)
  assert.deepEqual(
    parametersOf(document).map(({ name }) => name),
    ['N', 'T', 'P'],
  )
})

const ROOT = 'ab'.repeat(32)

const template = (part: object) => ({
  specificationVersion: 'jobtemplate-2023-09',
  name: 'Job',
  steps: [step({})],
  ...part,
})
const step = (part: object) => ({ name: 'S', script: { actions: { onRun: { command: 'true' } } }, ...part })
const combination = (text: string) => {
  const taskParameterDefinitions = [
    { name: 'A', type: 'INT', range: '1-2' },
    { name: 'B', type: 'INT', range: '1-3' },
  ]
  return template({ steps: [step({ parameterSpace: { taskParameterDefinitions, combination: text } })] })
}
const read = (document: unknown) => readJobTemplate(document, { parameters: {}, inputRoot: null })

function refused(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert(error instanceof Problem)
    assert.match(error.message, message)
    return error.code === 'invalid_request'
  })
}
