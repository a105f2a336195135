import process from 'node:process'
import { runCommandLine } from './command-line.ts'

// ONNX Runtime's builds report their use to Microsoft unless they are told not to. What runs here is its user's business alone.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1'

const controller = new AbortController()

// The first signal asks for a graceful end; a second one does not wait for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (controller.signal.aborted) process.exit(1)
    controller.abort()
  })
}

process.exitCode = await runCommandLine(process.argv, process.env, controller.signal)
