import { InputError } from './errors.ts'
import type { WhisperInput } from './whisper-input.ts'

/**
 * The engine decodes greedily at temperature 0. Values that it would ignore are refused, so that nothing is dropped silently; the
 * exceptions are those that the retired service's sample client sends, which has to run unchanged.
 */
const ACCEPTED: Readonly<Partial<Record<keyof WhisperInput, readonly unknown[]>>> = {
  temperature: [0],
  temperature_increment_on_fallback: [null, 0.2],
  compression_ratio_threshold: [null, 2.4],
  beam_size: [null, 5],
  patience: [null, 1],
  best_of: [null, 5],
  length_penalty: [null],
}

/** @throws InputError `input.unsupported` */
export function requireSupported(input: WhisperInput): void {
  for (const [name, accepted] of Object.entries(ACCEPTED)) {
    const value = input[name as keyof WhisperInput]
    if (accepted.includes(value)) continue
    const values = accepted.map((known) => JSON.stringify(known)).join(' or ')
    throw new InputError(
      'input.unsupported',
      `input.${name} = ${JSON.stringify(value)} is not supported yet: windows are decoded greedily at temperature 0. ` +
        `Leave it out, or give ${values}.`,
    )
  }
}
