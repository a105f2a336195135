/** What the tests run in a process of its own, to be killed or to compete: `node sqlite-store.child.ts <verb> <folder>`. */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import process from 'node:process'
import { openSqlite } from '../../src/jobs/sqlite/database.ts'
import { EVERY_TIER, submitted } from '../../src/jobs/new-job.fixture.ts'
import { lockOwner } from '../../src/jobs/sqlite/owner-lock.ts'
import { SqlJobStore } from '../../src/jobs/sql/sql-store.ts'

const [verb = '', folder = ''] = process.argv.slice(2)

switch (verb) {
  case 'own': {
    await using _ = await lockOwner(folder)
    say('owned')
    await new Promise(() => setInterval(() => undefined, 60_000))
    break
  }
  case 'open': {
    await using _ = await openSqlite(folder)
    break
  }
  case 'submit': {
    await using database = await openSqlite(folder)
    const store = new SqlJobStore(database)
    say('open')
    for (;;) say((await submitted(store)).id)
  }
  case 'claim': {
    await using database = await openSqlite(folder)
    const store = new SqlJobStore(database)
    say('open')
    await once(process.stdin, 'data')
    for (;;) {
      const [claim] = await store.claim(EVERY_TIER)
      if (claim === undefined) break
      say(claim.job.id)
    }
    break
  }
  default:
    throw new Error(`there is no verb ${verb}`)
}

/** Written before the next statement runs. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}
