/** The first two minutes of a newcomer: `npm start` in a terminal, the printed call, a question, Ctrl-C. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { type Program, until } from './process-group.ts'
import { awaitNetwork, guideMissing, guideModel, type Network, openRig } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())
const noTerminal = existsSync('/usr/bin/script') ? false : 'there is no `script` to make a terminal with'
let program: Program
let network: Network

before(async () => {
  if (noTerminal !== false) return
  const folder = rig.path('my data')
  const readyFile = rig.path('ready.json')
  const model = guideMissing === false ? [] : ['--model', rig.tinyPath(), '--model-id', 'tiny']
  const args = ['--data', folder, '--port', '0', '--ready-file', readyFile, ...model]
  const command = ['npm', 'start', '--', ...args].map(quote).join(' ')
  program = rig.startCommand(['script', '--quiet', '--return', '--flush', '--command', command, '/dev/null'])
  network = await awaitNetwork({ program, folder, readyFile })
})

test('it says where everything is, and the call that it prints is answered', {
  skip: noTerminal,
}, async () => {
  const { openaiBaseUrl, apiKey, webUrl } = network.ready
  // The file that says it is ready may be there before the terminal has shown it.
  for (const line of [`OpenAI API ${openaiBaseUrl}`, `API key    ${apiKey}`, `Web        ${webUrl}`]) {
    await until(`${line} to be printed`, () => plain(program.output()).includes(line) || null)
  }
  const curl = await until(
    'a call to be printed',
    () => /^ {2}(curl .*)$/m.exec(plain(program.output()))?.[1],
  )
  const reply = JSON.parse(execFileSync('sh', ['-c', `${curl.trim()} --silent`], { encoding: 'utf8' }))
  assert(reply.choices[0].message.content.length > 0)
})

test('the answer to "What is Shoal?" is readable', { skip: guideMissing }, async () => {
  const { output } = await rig
    .run(['chat', 'What is Shoal?', ...network.options])
    .then(({ stdout, code }) => ({ output: stdout, code }))
  assert.match(output, /Shoal/)
  assert.match(output, /^[\x20-\x7e\n]+$/)
  const words = output.toLowerCase().match(/[a-z]+/g) ?? []
  assert(words.length >= 8, output)
  for (const word of ['shoal', 'gpu', 'network']) assert(output.toLowerCase().includes(word), output)
  const stream = await network.openai.chat.completions.create({
    model: guideModel.id,
    messages: [{ role: 'user', content: 'What is Shoal?' }],
    stream: true,
  })
  let text = ''
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  assert.match(text, /Shoal/)
})

test('Ctrl-C in the terminal ends it well, and everything that it started', {
  skip: noTerminal,
}, async () => {
  program.stdin.write('\x03')
  const { code } = await program.end
  // npm's own shell reports the signal that it got too, however well the program ended.
  assert([0, 130].includes(code ?? -1), program.output())
  await until('everything to be gone', () => rig.processes().length === 0)
  assert(!existsSync(`${network.folder}/lock.json`), 'the folder was given back in order')
})

/** As one word of a shell's command line. A function, for `before` runs while this module is still being read. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

/** What a person reads: no colours, no carriage returns. */
const plain = (text: string): string => stripVTControlCharacters(text).replaceAll('\r', '')
