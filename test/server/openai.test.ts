import { afterAll, beforeAll } from 'vitest'
import { Server, temporaryFolder } from '../support/server.ts'
import { describeAiSdk } from './openai/ai-sdk.cases.ts'
import { describeAsr } from './openai/asr.cases.ts'
import { describeDocumentation } from './openai/documentation.cases.ts'
import { describeNodeClient } from './openai/node-client.cases.ts'
import { describePythonClient } from './openai/python-client.cases.ts'
import { describeRoutes } from './openai/routes.cases.ts'
import { describeTraps } from './openai/traps.cases.ts'
import type { Served } from './openai/served.ts'

// All over one server, whose start takes longer than most of these.
let stack: AsyncDisposableStack
let served: Served

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const server = stack.use(
    await Server.start({ dataDir: folder.path, environment: { SOTTO_MODEL_ALIASES: 'our-model=sotto/whisper-demo' } }),
  )
  served = { url: server.url, key: server.newKey ?? '' }
})

afterAll(() => stack.disposeAsync())

const of = (): Served => served
describeNodeClient(of)
describePythonClient(of)
describeAiSdk(of)
describeTraps(of)
describeRoutes(of)
describeAsr(of)
describeDocumentation(of)
