import { expect, test } from 'vitest'
import { encoderMultiplyAdds, expectedSpeed } from './expected-speed.ts'

/** As the published base model has them. */
const BASE = {
  ...{ nMels: 80, nAudioCtx: 1500, nState: 512, nAudioHead: 8, nAudioLayer: 6 },
  ...{ nVocab: 51_865, nTextCtx: 448, nTextHead: 8, nTextLayer: 6 },
}

test('a window costs what its convolutions, layers and cross-attention multiply', () => {
  // By hand: 3000 rows of 3·80 by 512, 1500 rows of 3·512 by 512, six layers, twelve projections of 512 by 512.
  const layer = 1500 * (4 * 512 * 512 + 2 * 1500 * 512 + 2 * 2048 * 512)
  const byHand = 3000 * 240 * 512 + 1500 * 1536 * 512 + 6 * layer + 12 * 1500 * 512 * 512
  expect(encoderMultiplyAdds(BASE)).toBe(byHand)
})

test('speech is as fast as its windows are encoded and its tokens read, four a second', () => {
  const pace = { multiplyAddsPerSecond: encoderMultiplyAdds(BASE), secondsPerStep: 0.01 }
  expect(expectedSpeed(BASE, pace)).toBeCloseTo(30 / (1 + 1.2))
  expect(expectedSpeed(BASE, { ...pace, secondsPerStep: 0.02 })).toBeCloseTo(30 / (1 + 2.4))
  expect(expectedSpeed(BASE, { ...pace, multiplyAddsPerSecond: encoderMultiplyAdds(BASE) / 3 })).toBeCloseTo(
    30 / (3 + 1.2),
  )
})
