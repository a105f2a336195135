import { expect, test } from 'vitest'
import { documentedCommands, runDocumentedCommands } from '../support/documented-commands.ts'
import { Server, temporaryFolder } from '../support/server.ts'

test('the four steps of the README, its call at once, and what it says of hearing do what they say', async () => {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path })
  const blocks = (await documentedCommands('README.md')).flatMap((commands, index) =>
    commands.includes('curl') ? [index] : [],
  )
  const variables = { KEY: server.newKey ?? '', SOTTO: server.url }
  const [steps, atOnce, heard] = await runDocumentedCommands({ page: 'README.md', variables, blocks })
  expect(steps?.output).toMatch(/"status":"(accepted|pending|processing|success)"/)
  expect(JSON.parse(atOnce?.output ?? '')).toMatchObject({
    response: { text: expect.stringContaining('The hospital is near the park.') },
  })
  expect(heard?.output).toMatch(/^event: segments$/m)
  expect(heard?.output).toMatch(/\n00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}\n.*The hospital is near the park\./)
})
