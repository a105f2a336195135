/** Whole milliseconds, as Python's `round(seconds * 1000)` has them: half to even. */
export function milliseconds(seconds: number): number {
  const exact = seconds * 1000
  const below = Math.floor(exact)
  const rest = exact - below
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1
  return rest < 0.5 ? below : below + 1
}

export interface ClockStyle {
  /** Whether hours are written where there are none. */
  readonly alwaysHours: boolean
  /** Between seconds and milliseconds. */
  readonly mark: '.' | ','
}

/** `[HH:]MM:SS.mmm`; of 100 hours and more the hours have more digits. */
export function clock(ms: number, { alwaysHours, mark }: ClockStyle): string {
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor(ms / 60_000) % 60
  const seconds = Math.floor(ms / 1000) % 60
  const front = alwaysHours || hours > 0 ? `${digits(hours, 2)}:` : ''
  return `${front}${digits(minutes, 2)}:${digits(seconds, 2)}${mark}${digits(ms % 1000, 3)}`
}

function digits(value: number, length: number): string {
  return String(value).padStart(length, '0')
}
