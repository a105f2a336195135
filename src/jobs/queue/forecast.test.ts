import { describe, expect, test } from 'vitest'
import { forecast } from './forecast.ts'

const jobs = (...works: readonly number[]) => works.map((work, n) => ({ id: `job-${n}`, work, isExpress: work <= 1 }))
const seconds = (ends: ReadonlyMap<string, number>): readonly number[] =>
  [...ends].sort(([one], [other]) => one.localeCompare(other)).map(([, end]) => end)

describe('forecast', () => {
  test('of one place is one job after the other', () => {
    expect(seconds(forecast([], jobs(10, 20, 30), { workers: 1, places: 1 }))).toEqual([10, 30, 60])
  })

  test('of several places shares the speed', () => {
    // Both have half of it until the shorter one ends at 20 s; the longer one needs 10 s more then.
    expect(seconds(forecast([], jobs(10, 20), { workers: 1, places: 2 }))).toEqual([20, 30])
  })

  test('gives no job more than one worker’s speed', () => {
    expect(seconds(forecast([], jobs(10), { workers: 4, places: 4 }))).toEqual([40])
  })

  test('counts what is left of running jobs', () => {
    const running = [{ id: 'running', work: 30, isExpress: false }]
    const ends = forecast(running, jobs(10), { workers: 1, places: 1 })
    expect(ends.get('running')).toBe(30)
    expect(ends.get('job-0')).toBe(40)
  })

  test('takes running jobs in whatever order they come', () => {
    const running = [4, 40, 20, 10].map((work, n) => ({ id: `job-${n}`, work, isExpress: false }))
    expect(seconds(forecast(running, [], { workers: 1, places: 4 }))).toEqual([16, 74, 54, 34])
  })

  test('has a place more for short recordings', () => {
    const running = [{ id: 'running', work: 360, isExpress: false }]
    const ends = forecast(running, jobs(360, 1), { workers: 1, places: 1 })
    expect(ends.get('job-1')).toBe(2)
    expect(ends.get('running')).toBe(361)
  })

  test('is empty when nobody works', () => {
    expect(forecast([], jobs(1), { workers: 0, places: 0 }).size).toBe(0)
  })

  test('of ten thousand jobs takes milliseconds, and each has an end', () => {
    const many = jobs(...Array.from({ length: 10_000 }, (_, n) => 1 + ((n * 7919) % 5000)))
    expect(forecast([], many, { workers: 10, places: 80 }).size).toBe(10_000)
  })
})
