/** Starts a PostgreSQL, says where it is, and never ends, to be killed: `node postgres.child.ts`. */
import { writeSync } from 'node:fs'
import { startPostgres } from './postgres.ts'

await using postgres = await startPostgres({ fsync: false })
writeSync(1, `${JSON.stringify({ pid: postgres.pid, folder: postgres.folder, url: postgres.url })}\n`)
await new Promise(() => setInterval(() => undefined, 60_000))
