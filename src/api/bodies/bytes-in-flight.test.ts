import { expect, test } from 'vitest'
import { BytesInFlight } from './bytes-in-flight.ts'

test('one key holds three quarters at most, and all together no more than there is, until they are answered', () => {
  const bytes = new BytesInFlight(1000)
  const [one, again, other] = [{ owner: 'a' }, { owner: 'a' }, { owner: 'b' }].map((request) => bytes.hold(request))
  one?.take(700)
  expect(() => again?.take(100)).toThrow('Try again later')
  again?.take(50)
  other?.take(250)
  expect(() => other?.take(1)).toThrow('Try again later')
  one?.[Symbol.dispose]()
  again?.take(700)
  other?.[Symbol.dispose]()
  again?.[Symbol.dispose]()
  again?.[Symbol.dispose]()
  one?.take(750)
})
