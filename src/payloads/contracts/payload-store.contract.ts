import { describeKeys } from './keys.contract.ts'
import { describeObjects } from './objects.contract.ts'
import { describeReads } from './reads.contract.ts'
import type { OpenStore } from './payload-store.fixture.ts'
import { describeWrites } from './writes.contract.ts'

/** The contract of `PayloadStore`, to be run against each of its implementations. That of its uploads is `uploads/uploads.contract.ts`. */
export function describePayloadStore(name: string, open: OpenStore): void {
  describeObjects(name, open)
  describeReads(name, open)
  describeKeys(name, open)
  describeWrites(name, open)
}
