import process from 'node:process'
import { runCommandLine } from './command-line.ts'

// ONNX Runtime's builds report their use to Microsoft unless they are told not to. What runs here is its user's business alone.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1'

const [end, hurry] = [new AbortController(), new AbortController()]

// First signal: graceful shutdown. Second: do not wait for clients. Third: exit at once.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (hurry.signal.aborted) process.exit(1)
    if (end.signal.aborted) hurry.abort()
    else end.abort()
  })
}

process.exitCode = await runCommandLine(process.argv, process.env, { signal: end.signal, hurry: hurry.signal })
