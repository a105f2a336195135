import { constants } from 'node:os'
import process from 'node:process'
import { runEngine } from './engine.ts'

// The engine process's entry, apart from the program's: it carries the native libraries, and nothing of the rest.

// Signals to the whole group, as by Ctrl+C, are its worker's business, which gives unfinished jobs back.
// A file that has grown to its limit is an error of its writing, and not the end of all that runs here.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGXFSZ'] as const) {
  if (signal in constants.signals) process.on(signal, () => undefined)
}

// Here, and not with the first model: a process that can't load what runs models is not to say that it is alive.
await import('onnxruntime-node')
runEngine()
