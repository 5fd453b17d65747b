// Asks guide.gguf the questions of data/ through node-llama-cpp and prints how many answers are right. Run by hand:
//
//   node models/guide/evaluate.mjs [--model FILE] [--set must-know|heldout] [--temperature T] [--rounds N] [--system TEXT] [--turns N] [--by auto|jinja|raw]
//
// An answer counts only if it is, to the letter, an answer of a right subject. --turns asks N other questions first; --by says
// who builds the prompt: the library's choice for this file, its Jinja template, or plain text put together here.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { getLlama, JinjaTemplateChatWrapper, LlamaChatSession } from 'node-llama-cpp'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('guide.gguf', import.meta.url)) },
    set: { type: 'string', default: 'heldout' },
    temperature: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '1' },
    system: { type: 'string', default: '' },
    turns: { type: 'string', default: '0' },
    by: { type: 'string', default: 'jinja' },
    verbose: { type: 'boolean', default: false },
  },
})

const read = (name) => readFileSync(new URL(`data/${name}.txt`, import.meta.url), 'utf8').split('\n')

/** Subject name -> its answers. */
function readAnswers() {
  const answers = new Map()
  let subject
  for (const line of [...read('questions'), ...read('other')]) {
    if (line.startsWith('= ')) answers.set((subject = line.split(' ')[1]), [])
    if (line.startsWith('A ')) answers.get(subject).push(line.slice(2))
  }
  return answers
}

const cases = read(options.set)
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => ({ subjects: line.slice(0, line.indexOf(': ')).split(','), question: line.slice(line.indexOf(': ') + 2) }))
const answers = readAnswers()
const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logLevel: 'error' })
const model = await llama.loadModel({ modelPath: options.model })
const context = await model.createContext({ threads: 1, contextSize: model.trainContextSize })
const sequence = context.getSequence()
const temperature = Number(options.temperature)
const sampling = { temperature, topK: 0, topP: 1, seed: 1 }

/** The answer to the last of `questions`, as a chat client gets it. */
async function askByTemplate(questions, seed) {
  await sequence.clearHistory()
  const session = new LlamaChatSession({
    contextSequence: sequence,
    chatWrapper: options.by === 'auto' ? 'auto' : new JinjaTemplateChatWrapper({ template: model.fileInfo.metadata.tokenizer.chat_template }),
    systemPrompt: options.system,
  })
  let answer
  for (const question of questions) {
    answer = await session.promptWithMeta(question, { ...sampling, seed, maxTokens: 200 })
  }
  session.dispose({ disposeSequence: false })
  return { text: answer.responseText, stop: answer.stopReason }
}

/** The same from a prompt put together here. */
async function askRaw(questions, seed) {
  await sequence.clearHistory()
  const message = (role, text) => `<|im_start|>${role}\n${text}<|im_end|>\n`
  let prompt = options.system === '' ? '' : message('system', options.system)
  let text, stop
  for (const question of questions) {
    prompt += `${message('user', question)}<|im_start|>assistant\n`
    await sequence.clearHistory()
    const out = []
    stop = 'eogToken'
    for await (const token of sequence.evaluate(model.tokenize(prompt, true), { ...sampling, seed, yieldEogToken: false })) {
      out.push(token)
      if (out.length === 200) {
        stop = 'maxTokens'
        break
      }
    }
    text = model.detokenize(out)
    prompt += `${text}<|im_end|>\n`
  }
  return { text, stop }
}

const ask = options.by === 'raw' ? askRaw : askByTemplate
let right = 0
let readable = 0
let asked = 0
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [index, { subjects, question }] of cases.entries()) {
    const before = Array.from({ length: Number(options.turns) }, (_, turn) => cases[(index * 7 + turn * 31 + 3) % cases.length].question)
    const { text, stop } = await ask([...before, question], 1 + asked)
    const isRight = subjects.some((subject) => answers.get(subject).includes(text))
    const given = [...answers].find(([, texts]) => texts.includes(text))?.[0]
    asked++
    if (isRight) right++
    if (given !== undefined) readable++
    if (options.verbose || !isRight) console.log(`${isRight ? 'right' : 'WRONG'} [${subjects}] ${question}\n      [${given ?? '?'} ${stop}] ${text}`)
  }
}
console.log(`${options.set}: ${right} of ${asked} right (${((100 * right) / asked).toFixed(1)} %), ${readable} are whole answers of some subject, temperature ${temperature}`)
await llama.dispose()
