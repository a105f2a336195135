import { request } from 'node:http'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { Server, temporaryFolder } from '../support/server.ts'

test('an Expect that is not known is refused as everything is', async () => {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path })
  const asked = request(`${server.url}/healthz`, { headers: { expect: 'the impossible' } }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  expect(answer.statusCode).toBe(417)
  expect(await json(answer)).toEqual({ code: 417, message: expect.stringContaining('Expect') })
})
