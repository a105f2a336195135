import { expect, test } from 'vitest'
import { runDocumentedCommands } from '../support/documented-commands.ts'
import { Server, temporaryFolder } from '../support/server.ts'

test('the commands of docs/events.md follow a job, come back to it, and wait for it', async () => {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path })
  const variables = { KEY: server.newKey ?? '', SOTTO: server.url }
  const [streamed, resumed, ofKey, waited] = await runDocumentedCommands({ page: 'docs/events.md', variables })
  expect(streamed?.output).toMatch(
    /event: status\ndata: .*"pending"[^]*event: segments\ndata: .*[^]*"status":"success"/,
  )
  expect(resumed?.output.split('\n')).toEqual(['event: status', 'event: segments', 'event: status', ''])
  expect(ofKey?.output).toContain('"success"')
  expect(waited?.output).toBe('"status":"success"\n')
})
