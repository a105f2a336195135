import type { AudioWarning, WarningCode } from '../../contract/transcript.ts'

/** Places of one kind that are told one by one; of the others the number. */
const MAX_OF_A_KIND = 20

/** A recording's warnings as they come, so few that a result with them stays small. */
export class AudioWarnings {
  readonly #list: AudioWarning[] = []
  readonly #counts = new Map<WarningCode, number>()

  add(warning: AudioWarning): void {
    const count = (this.#counts.get(warning.code) ?? 0) + 1
    this.#counts.set(warning.code, count)
    if (count <= MAX_OF_A_KIND) this.#list.push(rounded(warning))
  }

  get list(): readonly AudioWarning[] {
    const more = [...this.#counts].filter(([, count]) => count > MAX_OF_A_KIND)
    const told = more.map(([code, count]) => ({ code, message: `And ${count - MAX_OF_A_KIND} more of this kind.` }))
    return [...this.#list, ...told]
  }
}

/** Seconds to the millisecond. */
function rounded({ code, message, start, end }: AudioWarning): AudioWarning {
  const milliseconds = (seconds: number): number => Math.round(seconds * 1000) / 1000
  return {
    ...{ code, message },
    ...(start === undefined ? {} : { start: milliseconds(start) }),
    ...(end === undefined ? {} : { end: milliseconds(end) }),
  }
}
