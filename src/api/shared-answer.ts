/**
 * Coalesces calls: one answer for all that ask while it is being made, cached for `freshMs` from its start. A failure goes to those that
 * wait for it, and is not cached.
 */
export function sharedAnswer<Answer>(freshMs: number, make: () => Promise<Answer>): () => Promise<Answer> {
  let shared: Promise<Answer> | undefined
  let isBeingMade = false
  let freshUntilMs = 0
  const begin = async (): Promise<Answer> => {
    try {
      return await make()
    } catch (error) {
      freshUntilMs = 0
      throw error
    } finally {
      isBeingMade = false
    }
  }
  return async () => {
    const now = performance.now()
    if (shared === undefined || (!isBeingMade && now >= freshUntilMs)) {
      isBeingMade = true
      freshUntilMs = now + freshMs
      shared = begin()
    }
    return await shared
  }
}
