import { describe, expect, test } from 'vitest'
import { forecast } from '../../jobs/queue/forecast.ts'
import { SpeedMeter } from './speed-meter.ts'

function meter() {
  let now = 0
  let news = 0
  const speed = new SpeedMeter({ nowMs: () => now, onNews: () => (news += 1) })
  return {
    speed,
    pass: (seconds: number) => void (now += 1000 * seconds),
    speedOf: (model = 'a') => speed.speeds()[model],
    news: () => news,
  }
}

describe('SpeedMeter', () => {
  test('counts the time in which a job runs, and no other', () => {
    const { speed, pass } = meter()
    pass(100)
    {
      using run = speed.run('a')
      pass(10)
      run.add(300)
    }
    pass(100)
    expect(speed.speeds()).toEqual({ a: 30 })
  })

  test('counts the time of several jobs once', () => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    using other = speed.run('a')
    pass(10)
    run.add(100)
    other.add(100)
    expect(speedOf()).toBe(20)
  })

  test('knows nothing of a model whose first audio is still to come', () => {
    const { speed, pass } = meter()
    using _ = speed.run('a')
    pass(10)
    expect(speed.speeds()).toEqual({})
  })

  test('takes what is expected of a model until a window of it is done, and tells of both', () => {
    const { speed, pass, speedOf, news } = meter()
    speed.expect('a', 40)
    expect(speed.speeds()).toEqual({ a: 40 })
    expect(news()).toBe(1)
    using run = speed.run('a')
    pass(3)
    expect(speedOf()).toBe(40)
    run.add(30)
    expect(speedOf()).toBeCloseTo(10)
    expect(news()).toBe(2)
  })

  test('expects nothing else of a model that was measured', () => {
    const { speed, pass, speedOf, news } = meter()
    using run = speed.run('a')
    pass(3)
    run.add(30)
    speed.expect('a', 40)
    expect(speedOf()).toBeCloseTo(10)
    expect(news()).toBe(1)
  })

  test('knows by one window of one of eight jobs how fast they go together', () => {
    const { speed, pass, speedOf } = meter()
    const runs = Array.from({ length: 8 }, () => speed.run('a'))
    pass(6)
    runs[0]?.add(30)
    expect(speedOf()).toBeCloseTo(40)
    pass(2)
    for (const run of runs.slice(1)) run.add(30)
    expect(speedOf()).toBeGreaterThan(28)
    expect(speedOf()).toBeLessThan(40)
    pass(6)
    runs[0]?.add(30)
    expect(speedOf()).toBeCloseTo(30)
  })

  test('forgets the first window, which warms up, as soon as there is another one', () => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    pass(40)
    run.add(30)
    expect(speedOf()).toBeCloseTo(0.75)
    pass(10)
    run.add(28)
    expect(speedOf()).toBeCloseTo(2.8)
  })

  test('learns nothing of a rest that takes as long as a whole window', () => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    pass(10)
    run.add(29.98)
    pass(0.01)
    run.add(0.02)
    expect(speedOf()).toBeCloseTo(3)
    pass(9.99)
    run.add(2)
    expect(speedOf()).toBeGreaterThan(1.5)
  })

  test('follows a change within minutes', () => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    for (let n = 0; n < 100; n++) {
      pass(10)
      run.add(100)
    }
    expect(speedOf()).toBeCloseTo(10)
    for (let n = 0; n < 60; n++) {
      pass(10)
      run.add(500)
    }
    expect(speedOf()).toBeGreaterThan(45)
  })

  test('counts what is older than two minutes half', () => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    pass(120)
    run.add(1200)
    expect(speedOf()).toBeCloseTo(10)
    pass(10)
    run.add(500)
    expect(speedOf()).toBeCloseTo((600 + 500) / (60 + 10))
  })

  test('counts the time of several jobs half as well', () => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    using other = speed.run('a')
    pass(120)
    run.add(1200)
    other.add(1200)
    expect(speedOf()).toBeCloseTo(20)
  })

  test.each([
    ['half a window forgets what came before it', 15, 3],
    ['less does not', 14.9, (30 + 14.9) / (40 + 5)],
  ])('while a model warms up, %s', (_what, audioSeconds, expected) => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    pass(40)
    run.add(30)
    pass(5)
    run.add(audioSeconds)
    expect(speedOf()).toBeCloseTo(expected)
  })

  test('forgets nothing of a model that is warm by its first ten minutes', () => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    pass(60)
    run.add(600)
    pass(10)
    run.add(30)
    expect(speedOf()).toBeCloseTo(9)
  })

  test('learns from a second of audio, and not from less', () => {
    const { speed, pass, speedOf } = meter()
    using run = speed.run('a')
    pass(1)
    run.add(0.99)
    expect(speedOf()).toBeUndefined()
    run.add(1)
    expect(speedOf()).toBeCloseTo(1)
  })

  test.each([
    [12.5, 2],
    [12.4, 1],
    [8, 2],
    [8.1, 1],
  ])('tells of %d after 10, if that is news: told %d times', (later, times) => {
    const { speed, news } = meter()
    speed.expect('a', 10)
    speed.expect('a', later)
    expect(news()).toBe(times)
  })

  test('tells when a speed is known and when it has changed much, and not with each window', () => {
    const { speed, pass, news } = meter()
    using run = speed.run('a')
    const window = (seconds: number): void => {
      pass(seconds)
      run.add(30)
    }
    expect(news()).toBe(0)
    window(10)
    expect(news()).toBe(1)
    window(4)
    expect(news()).toBe(2)
    for (let n = 0; n < 20; n++) window(4)
    expect(news()).toBe(2)
    for (let n = 0; n < 60; n++) window(12)
    expect(news()).toBeGreaterThan(2)
    expect(news()).toBeLessThan(10)
  })
})

describe('the forecast of a model’s first job', () => {
  /** What is forecast after each window, over what it really took from there on. */
  function ratios(windows: readonly { readonly tookSeconds: number; readonly audioSeconds: number }[]): number[] {
    const { speed, pass, speedOf } = meter()
    const total = windows.reduce((sum, { audioSeconds }) => sum + audioSeconds, 0)
    // Its weights are fetched and loaded, its audio is decoded.
    pass(300)
    using run = speed.run('a')
    let done = 0
    let leftSeconds = windows.reduce((sum, { tookSeconds }) => sum + tookSeconds, 0)
    return windows.slice(0, -1).map(({ tookSeconds, audioSeconds }) => {
      pass(tookSeconds)
      run.add(audioSeconds)
      done += audioSeconds
      leftSeconds -= tookSeconds
      const job = { id: 'job', work: (total - done) / (speedOf() ?? 0), isExpress: false }
      return (forecast([job], [], { workers: 1, places: 8 }).get('job') ?? Infinity) / leftSeconds
    })
  }

  test('is right within a factor of five after the first window and of two after the second', () => {
    const random = [26, 29, 21, 28, 24, 30, 27, 22, 29, 25, 28, 26].map((audioSeconds, index) => {
      const slow = index === 0 ? 3.5 : 1
      return { audioSeconds, tookSeconds: slow * (3 + ((index * 7) % 4)) }
    })
    const [first = 0, ...others] = ratios(random)
    expect(first).toBeGreaterThan(1 / 5)
    expect(first).toBeLessThan(5)
    for (const ratio of others) {
      expect(ratio).toBeGreaterThan(1 / 2)
      expect(ratio).toBeLessThan(2)
    }
  })
})
