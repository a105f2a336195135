import type { Static } from 'typebox'
import { expectTypeOf, test } from 'vitest'
import type { JobSchema } from '../../src/api/schemas.ts'
import type { TranscriptSchema } from '../../src/contract/transcript.ts'
import type { JobBody, Transcript } from '../src/index.ts'

/** The OpenAPI document is made from these schemas. */
test('what the server answers with is what the client says that it is', () => {
  expectTypeOf<Static<typeof TranscriptSchema>>().toExtend<Transcript>()
  expectTypeOf<Static<typeof JobSchema>>().toExtend<Omit<JobBody, 'result'>>()
  expectTypeOf<keyof JobBody>().toExtend<keyof Static<typeof JobSchema>>()
})
