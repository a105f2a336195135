import type { ModelDescription } from '../../catalogue.ts'
import { InputError } from '../../errors.ts'
import { listOf } from '../../parameters/parameter.ts'
import { shown } from '../../parameters/shown.ts'
import { languageCode } from './languages.ts'
import type { WhisperInput } from './parameter-descriptions.ts'

/** As many as a list may have, and the steps of 0.05 from 0 to 1. */
const MAX_TEMPERATURES = 21
/** Of a window, over all its temperatures: as many as the reference's steps have with the most beams and samples, and some more. */
const MAX_SAMPLES_PER_WINDOW = 128

/**
 * What several parameters say together, which none of their descriptions holds.
 * @throws InputError
 */
export function requireConsistent(input: WhisperInput): void {
  const { patience, beam_size: beams, temperature, hallucination_silence_threshold: silence } = input
  // Above temperature 0 there are no beams, and the reference drops the patience with them.
  const isSearched = Array.isArray(temperature) ? temperature.includes(0) : temperature === 0
  if (patience !== null && beams === null && isSearched) {
    throw new InputError(`input.patience needs input.beam_size; got patience ${patience} alone.`)
  }
  if (silence !== null && !input.word_timestamps) {
    throw new InputError(
      `input.hallucination_silence_threshold needs input.word_timestamps to be true; got ${silence} and word_timestamps false.`,
    )
  }
  requireAffordable(input)
  const seconds = listOf(input.clip_timestamps)
  for (let end = 1; end < seconds.length; end += 2) {
    const start = seconds[end - 1] ?? 0
    if ((seconds[end] ?? 0) > start) continue
    throw new InputError(
      `input.clip_timestamps must give each end after its start; got the end ${seconds[end]} for ${start}.`,
    )
  }
}

/** A window that fails at each temperature is decoded at all of them, so many samples at a time. */
function requireAffordable(input: WhisperInput): void {
  const { beam_size: beams, best_of: samples, temperature_increment_on_fallback: increment } = input
  const temperatures = temperaturesOf(input)
  if (temperatures.length > MAX_TEMPERATURES) {
    throw new InputError(
      `input.temperature_increment_on_fallback may make ${MAX_TEMPERATURES} temperatures at most; got ${increment}, which makes ` +
        `${temperatures.length}.`,
    )
  }
  const most = temperatures.reduce((sum, temperature) => sum + ((temperature === 0 ? beams : samples) ?? 1), 0)
  if (most > MAX_SAMPLES_PER_WINDOW) {
    throw new InputError(
      `input.beam_size and input.best_of may make ${MAX_SAMPLES_PER_WINDOW} samples of a window at most, over all its temperatures; got ${most}.`,
    )
  }
}

/** A list as it is; else, as in the reference's command line, from the first one up to 1 in steps of the increment. */
export function temperaturesOf({
  temperature: first,
  temperature_increment_on_fallback: increment,
}: Pick<WhisperInput, 'temperature' | 'temperature_increment_on_fallback'>): readonly number[] {
  if (typeof first !== 'number') return first
  if (increment === null) return [first]
  const count = Math.ceil((1 + 1e-6 - first) / increment)
  return Array.from({ length: count }, (_, index) => first + index * increment)
}

/**
 * The code of the language that is asked for, if the model knows it and the task; null: it is to be detected.
 * @throws InputError
 */
export function requireLanguage({ language, task }: WhisperInput, model: ModelDescription): string | null {
  const code = language === null ? null : languageCode(language)
  if (code === undefined) {
    throw new InputError(
      `input.language must be the code or English name of a language, such as "en", "en-US" or "english", or "auto"; got ` +
        `${shown(language)}.`,
    )
  }
  const got = code === language ? shown(code) : `${shown(code)} (from ${shown(language)})`
  if (!model.isMultilingual && (task === 'translate' || (code ?? 'en') !== 'en')) {
    throw new InputError(
      `the model ${model.id} knows English only; got ${task === 'translate' ? 'task "translate"' : `language ${got}`}.`,
    )
  }
  if (code !== null && model.languages !== null && !model.languages.includes(code)) {
    throw new InputError(
      `the model ${model.id} does not know the language ${got}; it knows ${model.languages.join(', ')}.`,
    )
  }
  return code
}
