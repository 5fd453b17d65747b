/**
 * Loads the built-in engine and ends: the doctor runs it as a process of its own, because a binding for another CPU or
 * libc would take the process down with it.
 */
import { getLlama } from 'node-llama-cpp'

const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false })
await llama.dispose()
