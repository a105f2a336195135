#!/usr/bin/env node
// Runs src/main.ts. It needs a Node that runs TypeScript as it is; the platform packages in optionalDependencies bring one, so
// that an older Node (and npm) is enough to install and start.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** The first with `crypto.randomUUIDv7`. */
const OLDEST = '26.1.0'
const main = new URL('../src/main.ts', import.meta.url)

function bundledNode() {
  const require = createRequire(import.meta.url)
  const extension = process.platform === 'win32' ? '.exe' : ''
  for (const name of [`node-${process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`]) {
    try {
      return require.resolve(`${name.replace('win32', 'win')}/bin/node${extension}`)
    } catch {
      // Another platform's package is not installed here.
    }
  }
  return undefined
}

if (process.versions.node.localeCompare(OLDEST, 'en', { numeric: true }) >= 0) {
  await import(main.href)
} else {
  const node = bundledNode()
  if (node === undefined) {
    console.error(
      `sotto: needs Node ${OLDEST} or newer; this is ${process.version}, and no Node package for ` +
        `${process.platform}-${process.arch} is installed. Install Node ${OLDEST} or newer.`,
    )
    process.exit(1)
  }
  const child = spawn(node, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    if (signal !== null) {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    } else {
      process.exit(code ?? 1)
    }
  })
}
