import { describe, expect, test } from 'vitest'
import { SpeedMeter } from './speed-meter.ts'

function meter() {
  let now = 0
  return { speed: new SpeedMeter(() => now), pass: (seconds: number) => void (now += 1000 * seconds) }
}

describe('SpeedMeter', () => {
  test('counts the time in which a job runs, and no other', () => {
    const { speed, pass } = meter()
    pass(100)
    {
      using _ = speed.run('a')
      pass(10)
      speed.add('a', 300)
    }
    pass(100)
    expect(speed.speeds()).toEqual({ a: 30 })
  })

  test('counts the time of several jobs once', () => {
    const { speed, pass } = meter()
    using _ = speed.run('a')
    using other = speed.run('a')
    void other
    pass(10)
    speed.add('a', 100)
    speed.add('a', 100)
    expect(speed.speeds()).toEqual({ a: 20 })
  })

  test('knows nothing of a model whose first audio is still to come', () => {
    const { speed, pass } = meter()
    using _ = speed.run('a')
    pass(10)
    expect(speed.speeds()).toEqual({})
  })

  test('follows a change within minutes', () => {
    const { speed, pass } = meter()
    using _ = speed.run('a')
    for (let n = 0; n < 100; n++) {
      pass(10)
      speed.add('a', 100)
    }
    expect(speed.speeds()['a']).toBeCloseTo(10)
    for (let n = 0; n < 60; n++) {
      pass(10)
      speed.add('a', 500)
    }
    expect(speed.speeds()['a']).toBeGreaterThan(45)
  })
})
