import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { addKeyOptions, givenRules, limitTexts, limitsWith } from './key-options.ts'

function rulesOf(...args: readonly string[]) {
  const command = addKeyOptions(
    new Command()
      .argument('[name]')
      .exitOverride()
      .configureOutput({ writeErr: () => undefined }),
  )
  command.parse(args, { from: 'user' })
  return givenRules(command.opts())
}

describe('the options of a key', () => {
  test('say nothing where nothing is given', () => {
    expect(rulesOf()).toEqual({})
  })

  test('may be repeated, or be lists', () => {
    expect(rulesOf('--scope', 'read,transcribe', '--model', 'a/b', '--model', 'whisper-1,c')).toEqual({
      scopes: ['read', 'transcribe'],
      models: ['a/b', 'whisper-1', 'c'],
    })
    // What follows is no value of it.
    expect(rulesOf('--scope', 'read', 'name')).toEqual({ scopes: ['read'] })
    expect(rulesOf('--scope', 'admin', '--model', 'any', '--expires', 'never')).toEqual({
      ...{ scopes: ['admin'], models: null, expiresAt: null },
    })
  })

  test('take a time to come, or how long', () => {
    expect(rulesOf('--expires', '2199-01-31T12:00:00Z').expiresAt).toEqual(new Date('2199-01-31T12:00:00Z'))
    const inADay = rulesOf('--expires', '1d').expiresAt?.getTime() ?? 0
    expect(inADay - Date.now()).toBeGreaterThan(86_000_000)
  })

  test('put limits in the place of those that a key has', () => {
    const given = ['queued-jobs=5', 'running-jobs=off', 'requests-per-minute=server']
    const { limits = new Map() } = rulesOf(...given.flatMap((limit) => ['--limit', limit]))
    const own = limitsWith({ queuedJobs: 1, requestsPerMinute: 60, audioSecondsPerDay: 9 }, limits)
    expect(own).toEqual({ queuedJobs: 5, runningJobs: null, audioSecondsPerDay: 9 })
    expect(limitTexts(own)).toEqual(['queued-jobs=5', 'running-jobs=off', 'audio-seconds-per-day=9'])
  })

  test.each([
    ['--scope', 'write'],
    ['--model', 'a b'],
    ['--expires', '2020-01-01'],
    ['--expires', 'soon'],
    ['--limit', 'jobs=1'],
    ['--limit', 'queued-jobs'],
    ['--limit', 'queued-jobs=0'],
    ['--limit', 'queued-jobs=99999999999'],
  ])('%s does not take %s', (flag, value) => {
    expect(() => rulesOf(flag, value)).toThrow(expect.objectContaining({ code: 'commander.invalidArgument' }))
  })
})
