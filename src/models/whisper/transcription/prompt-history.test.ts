import { expect, test } from 'vitest'
import { PromptHistory } from './prompt-history.ts'

const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index)

test('the text so far prompts, the initial prompt first, until a reset', () => {
  const history = new PromptHistory([1, 2], { carriesInitial: false, capacity: 223 })
  expect(history.prompt).toEqual([1, 2])
  history.append([10, 11])
  expect(history.prompt).toEqual([1, 2, 10, 11])
  history.reset()
  expect(history.prompt).toEqual([])
  history.append([12])
  expect(history.prompt).toEqual([12])
  expect(history.transcribed).toEqual([10, 11, 12])
})

test('a carried initial prompt stays in front, with as much of the text behind it as fits', () => {
  const history = new PromptHistory([1, 2], { carriesInitial: true, capacity: 10 })
  history.append(numbers(100, 20))
  expect(history.prompt).toEqual([1, 2, ...numbers(112, 8)])
  history.reset()
  expect(history.prompt).toEqual([1, 2])
  history.append([7])
  expect(history.prompt).toEqual([1, 2, 7])
})

test('with an initial prompt as long as the capacity, all of the text follows, as in the reference', () => {
  const history = new PromptHistory(numbers(0, 10), { carriesInitial: true, capacity: 10 })
  history.append(numbers(100, 5))
  expect(history.prompt).toEqual([...numbers(0, 10), ...numbers(100, 5)])
})
