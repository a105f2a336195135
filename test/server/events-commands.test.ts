import { expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { openStream } from '../support/event-reader.ts'
import { runDocumentedCommands } from '../support/documented-commands.ts'
import { Server, temporaryFolder } from '../support/server.ts'

test('the commands of docs/events.md follow a job, come back to it, and wait for it; and a stop ends streams', async () => {
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

  // One that is open does not keep the server from stopping, and says when to come back.
  const stream = await openStream(new Client(server.url, variables.KEY), '/v1/async/events')
  const [text, code] = await Promise.all([stream.text(), server.end('SIGTERM')])
  expect([text, code]).toEqual([expect.stringMatching(/retry: [1-5]\d{3}\n\n$/), 0])
})
