import { writeSync } from 'node:fs'
import { registerHooks } from 'node:module'

/** For `node --import`: prints each file of a package of OpenTelemetry that a process loads, imported or required. */
registerHooks({
  load(url, context, next) {
    if (url.includes('/@opentelemetry/')) writeSync(2, `loads ${url}\n`)
    return next(url, context)
  },
})
