import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import process from 'node:process'
import type { Transcript } from '../contract/transcript.ts'
import { formatTranscript } from '../transcript/formats.ts'
import type { TranscriptFormat } from '../transcript/formats.ts'
import { setOptions } from '../transcript/subtitle-options.ts'
import type { SubtitleOptions } from '../transcript/subtitle-options.ts'
import type { Input } from './inputs.ts'
import { outputNames } from './output-names.ts'

export interface OutputOptions {
  readonly formats: readonly TranscriptFormat[]
  readonly subtitles: SubtitleOptions
  /** Undefined: it is printed. */
  readonly folder: string | undefined
}

/** Where the transcripts of some recordings go. */
export class Output {
  readonly #inputs: readonly Input[]
  readonly #options: OutputOptions
  /** Of each input, in the order of the formats. */
  readonly #names: readonly (readonly string[])[]

  constructor(inputs: readonly Input[], options: OutputOptions) {
    this.#inputs = inputs
    this.#options = options
    const own = inputs.map(({ outputName }) => outputName)
    this.#names = options.formats.map((format) => outputNames(own, `.${format}`))
  }

  /** Writes or prints the transcript of the input at `index`. */
  async write(transcript: Transcript, index: number): Promise<void> {
    const { formats, subtitles, folder } = this.#options
    const [option] = setOptions(subtitles)
    const [segment] = transcript.segments
    if (option !== undefined && segment !== undefined && segment.words === undefined) {
      throw new Error(`the model gives no times of words, which ${option} needs`)
    }
    for (const [at, format] of formats.entries()) {
      const name = this.#names[at]?.[index]
      if (folder === undefined || name === undefined) this.#print(transcript, format, index)
      else await this.#save(formatTranscript(transcript, format, subtitles), join(folder, name), index)
    }
  }

  async #save(content: string, path: string, index: number): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
    console.error(this.#inputs.length > 1 ? `${this.#nameOf(index)} → ${path}` : path)
  }

  #print(transcript: Transcript, format: TranscriptFormat, index: number): void {
    const isOneOfMany = this.#inputs.length > 1
    if (isOneOfMany && format === 'json') {
      // One line each, for programs that read them as they come.
      console.log(JSON.stringify({ file: this.#nameOf(index), ...transcript }))
      return
    }
    const content = formatTranscript(transcript, format, this.#options.subtitles)
    const text = content.endsWith('\n') || content === '' ? content : `${content}\n`
    process.stdout.write(isOneOfMany ? `==> ${this.#nameOf(index)} <==\n${text}\n` : text)
  }

  #nameOf(index: number): string {
    return this.#inputs[index]?.name ?? ''
  }
}
