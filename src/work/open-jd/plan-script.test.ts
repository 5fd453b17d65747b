import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readJobTemplate } from './read-job-template.ts'

test('a path that flows out is a result by whichever name, in whichever form', () => {
  const outputs = (arg: string, value: string) =>
    readJobTemplate(
      {
        specificationVersion: 'jobtemplate-2023-09',
        name: 'Job',
        parameterDefinitions: [
          { name: 'A', type: 'PATH', dataFlow: 'OUT', default: value },
          { name: 'B', type: 'PATH', dataFlow: 'OUT', default: 'not-named' },
        ],
        steps: [{ name: 'S', script: { actions: { onRun: { command: 'make', args: [arg] } } } }],
      },
      { parameters: {}, inputRoot: null },
    ).steps[0]?.settings['outputs']
  assert.deepEqual(outputs('{{Param.A}}', 'made'), ['made/**'])
  assert.deepEqual(outputs('{{RawParam.A}}', 'made'), ['made/**'])
  assert.deepEqual(outputs('{{Param.A}}', './made//v1/./x/'), ['made/v1/x/**'])
  assert.deepEqual(outputs('{{Param.A}}', './'), ['**'])
})
