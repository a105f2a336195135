import process from 'node:process'
import { runCommandLine } from './command-line.ts'

// ONNX Runtime's builds report their use to Microsoft unless they are told not to. What runs here is its user's business alone.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1'

const [end, hurry] = [new AbortController(), new AbortController()]

// The first signal asks for a graceful end, the second one not to wait for clients meanwhile; a third one does not wait at all.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (hurry.signal.aborted) process.exit(1)
    if (end.signal.aborted) hurry.abort()
    else end.abort()
  })
}

process.exitCode = await runCommandLine(process.argv, process.env, { signal: end.signal, hurry: hurry.signal })
