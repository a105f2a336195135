/**
 * One answer for all that ask while it is being made and for `freshMs` after it was begun. A failure is told to those that waited for it, and
 * not remembered.
 */
export function sharedAnswer<Answer>(freshMs: number, make: () => Promise<Answer>): () => Promise<Answer> {
  let shared: { readonly answer: Promise<Answer>; readonly sinceMs: number; isSettled: boolean } | undefined
  const begin = async (own: { isSettled: boolean }): Promise<Answer> => {
    try {
      return await make()
    } catch (error) {
      shared = undefined
      throw error
    } finally {
      own.isSettled = true
    }
  }
  return async () => {
    if (shared === undefined || (shared.isSettled && performance.now() - shared.sinceMs >= freshMs)) {
      const own = { isSettled: false }
      shared = Object.assign(own, { answer: begin(own), sinceMs: performance.now() })
    }
    return await shared.answer
  }
}
