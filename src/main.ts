import process from 'node:process'
import { runCommandLine } from './command-line.ts'

const controller = new AbortController()

// The first signal asks for a graceful end; a second one does not wait for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (controller.signal.aborted) process.exit(1)
    controller.abort()
  })
}

process.exitCode = await runCommandLine(process.argv, process.env, controller.signal)
