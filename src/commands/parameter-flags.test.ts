import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { whisperParameters } from '../models/whisper/parameters/whisper-parameters.ts'
import { addParameters, givenParameters } from './parameter-flags.ts'

const { descriptions } = whisperParameters

function given(...flags: readonly string[]): Readonly<Record<string, unknown>> {
  const command = new Command().exitOverride()
  addParameters(command, descriptions)
  command.parse(flags, { from: 'user' })
  return givenParameters(command.opts(), descriptions)
}

describe('each parameter of a model is a flag', () => {
  test.each(descriptions.map(({ name, default: value }) => [name, value]))('%s takes its default', (name, value) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    expect(given(`--${name.replaceAll('_', '-')}`, text)).toEqual({ [name]: value })
  })

  test('that help shows, with what it takes, means and is by default', () => {
    const command = new Command().configureHelp({ helpWidth: 1000 })
    addParameters(command, descriptions)
    const help = command.helpInformation()
    for (const { name, description } of descriptions) {
      expect(help).toContain(`--${name.replaceAll('_', '-')} <`)
      expect(help).toContain(description)
    }
    expect(help).toMatch(/--task <transcribe\|translate> .*\(default: "transcribe"\)/)
    expect(help).toMatch(/--temperature <number,…> .*\(default: 0\)/)
    expect(help).toMatch(/--max-initial-timestamp <seconds\|null> .*\(default: 1\)/)
  })

  test('that is left out says nothing', () => {
    expect(given()).toEqual({})
  })
})

describe('values have the types that a request has', () => {
  test.each([
    [['--word-timestamps', 'True'], { word_timestamps: true }],
    [['--suppress-blank', 'false'], { suppress_blank: false }],
    [['--temperature', '0.5'], { temperature: 0.5 }],
    [['--temperature', '0,0.5'], { temperature: [0, 0.5] }],
    [['--beam-size', '5', '--patience', '2'], { beam_size: 5, patience: 2 }],
    [['--no-speech-threshold', 'null'], { no_speech_threshold: null }],
    [['--audio-track', '2'], { audio_track: 2 }],
    [['--audio-track', 'auto'], { audio_track: 'auto' }],
    [['--suppress-tokens', '-1,7'], { suppress_tokens: '-1,7' }],
    [['--initial-prompt', '1984'], { initial_prompt: '1984' }],
    [['--prefix', ''], { prefix: '' }],
  ])('%j', (flags, expected) => {
    expect(given(...flags)).toEqual(expected)
  })

  test.each([
    [['--beam-size', 'five'], { beam_size: 'five' }],
    [['--beam-size', ''], { beam_size: '' }],
    [['--temperature', '0,warm'], { temperature: '0,warm' }],
    [['--word-timestamps', 'yes'], { word_timestamps: 'yes' }],
  ])('but what can’t be understood stays as it is, for its refusal: %j', (flags, expected) => {
    expect(given(...flags)).toEqual(expected)
  })
})
