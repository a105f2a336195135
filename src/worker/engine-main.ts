import process from 'node:process'
import { runEngine } from './engine.ts'

// The engine process's entry, apart from the program's: it carries the native libraries, and nothing of the rest.

// Signals to the whole group, as by Ctrl+C, are its worker's business, which gives unfinished jobs back.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

runEngine()
