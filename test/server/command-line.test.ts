import { execFile } from 'node:child_process'
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fixture } from '../support/clips.ts'
import { Hub } from '../support/hub.ts'
import { PROJECT, Server, sotto, temporaryFolder } from '../support/server.ts'
import type { ServerOptions } from '../support/server.ts'

const CLIP = fixture('en-two-voices.mp3')
const SHORT = fixture('en-short.wav')

describe('sotto transcribe', () => {
  test('prints the text of a file, and nothing else', async () => {
    await using folder = await temporaryFolder()
    const { code, stdout, stderr } = await sotto(['transcribe', CLIP, '--model', 'sotto/whisper-demo'], {
      cwd: folder.path,
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n')).toContain('The hospital is near the park.')
    expect(await readdir(folder.path)).toEqual([])
  })

  test('as JSON with parameters', async () => {
    await using folder = await temporaryFolder()
    const args = ['transcribe', CLIP, '--output-format', 'json', '--language', 'EN_us', '--no-speech-threshold', 'null']
    const { code, stdout, stderr } = await sotto(args, { cwd: folder.path })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ language: 'en', duration: expect.closeTo(10.66, 1) })
    expect(stderr).toContain('sotto/whisper-demo, which knows a few hundred words')
  })

  test('a window that fails at every temperature ends at 1.0, with the same text each time', async () => {
    await using folder = await temporaryFolder()
    const args = [
      'transcribe',
      SHORT,
      '--output-format',
      'json',
      '--compression-ratio-threshold',
      '0',
      '--best-of',
      '3',
    ]
    const [one, two] = [await sotto(args, { cwd: folder.path }), await sotto(args, { cwd: folder.path })]
    const { segments } = JSON.parse(one.stdout) as { segments: { temperature: number }[] }
    expect(new Set(segments.map(({ temperature }) => temperature))).toEqual(new Set([1]))
    expect(two.stdout).toBe(one.stdout)
  })

  test('parameters are given as the reference takes them: words, lists of temperatures, clips', async () => {
    await using folder = await temporaryFolder()
    const parameters = ['--word-timestamps', 'True', '--temperature', '0,0.5', '--clip-timestamps', '0,1.5']
    const args = ['transcribe', CLIP, '--output-format', 'json', '--logprob-threshold', '0', ...parameters]
    const { stdout } = await sotto(args, { cwd: folder.path })
    const { segments } = JSON.parse(stdout) as { segments: { temperature: number; words: { end: number }[] }[] }
    expect(new Set(segments.map(({ temperature }) => temperature))).toEqual(new Set([0.5]))
    expect(segments.flatMap(({ words }) => words).length).toBeGreaterThan(1)
    for (const { end } of segments.flatMap(({ words }) => words)) expect(end).toBeLessThanOrEqual(1.5)
  })

  test('several files into a folder; one that fails does not keep the others', async () => {
    await using folder = await temporaryFolder()
    await copyFile(CLIP, join(folder.path, 'one.mp3'))
    await copyFile(fixture('video-without-sound.mp4'), join(folder.path, 'silent.mp4'))
    const args = ['transcribe', 'silent.mp4', 'missing.mp3', 'one.mp3', '--output-dir', 'out']
    const { code, stderr } = await sotto(args, { cwd: folder.path })
    expect(code).toBe(1)
    expect(stderr).toMatch(/silent\.mp4: .*no audio stream/)
    expect(stderr).toMatch(/missing\.mp3: there is no such file/)
    expect(await readFile(join(folder.path, 'out/one.txt'), 'utf8')).toContain('The hospital is near the park.')
  })

  test('all formats at once, with cues cut between words', async () => {
    await using folder = await temporaryFolder()
    const cut = ['--word-timestamps', 'True', '--max-line-width', '14', '--max-line-count', '1']
    const args = ['transcribe', SHORT, '--output-format', 'all', '--output-dir', 'out', ...cut]
    const { code, stdout } = await sotto(args, { cwd: folder.path })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    const read = (format: string): Promise<string> => readFile(join(folder.path, `out/en-short.${format}`), 'utf8')
    const { segments } = JSON.parse(await read('json')) as { segments: { text: string; start: number; end: number }[] }
    expect(await read('txt')).toBe(segments.map(({ text }) => `${text.trim()}\n`).join(''))
    const [{ start, end, text }] = segments as [(typeof segments)[0]]
    const row = `${Math.round(start * 1000)}\t${Math.round(end * 1000)}\t${text.trim()}`
    expect(await read('tsv')).toContain(`start\tend\ttext\n${row}\n`)
    expect(await read('vtt')).toMatch(/^WEBVTT\n\n00:0\d\.\d{3} --> 00:0\d\.\d{3}\n.{1,14}\n\n/)
    const cues = (await read('srt')).split('\n\n').slice(0, -1)
    expect(cues.length).toBeGreaterThan(segments.length)
    for (const cue of cues) expect(cue).toMatch(/^\d+\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n.{1,14}$/)
  })

  test('several formats without a folder are not understood: 2', async () => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await sotto(['transcribe', SHORT, '--output-format', 'srt,vtt'], { cwd: folder.path })
    expect(code).toBe(2)
    expect(stderr).toContain('Several formats need --output-dir')
  })

  test('recordings of one name get outputs of their own', async () => {
    await using folder = await temporaryFolder()
    const recordings = ['a/talk.mp3', 'a/talk.wav', 'b/talk.wav']
    for (const name of recordings) {
      await mkdir(join(folder.path, dirname(name)), { recursive: true })
      await copyFile(name.startsWith('a') ? CLIP : SHORT, join(folder.path, name))
    }
    const { code, stderr } = await sotto(['transcribe', ...recordings, '--output-dir', 'out'], { cwd: folder.path })
    expect(code).toBe(0)
    expect((await readdir(join(folder.path, 'out'))).toSorted()).toEqual([
      'talk.mp3.txt',
      'talk.wav.2.txt',
      'talk.wav.txt',
    ])
    expect(stderr).toContain('b/talk.wav → out/talk.wav.2.txt')
    const [one, two] = await Promise.all(
      ['talk.wav.txt', 'talk.wav.2.txt'].map((name) => readFile(join(folder.path, 'out', name), 'utf8')),
    )
    expect(one).toContain('The hospital is near the park.')
    expect(two).not.toEqual(one)
  })

  test.each(['-', '/dev/stdin'])('%s is standard input', async (name) => {
    await using folder = await temporaryFolder()
    const { code, stdout } = await sotto(['transcribe', name], { cwd: folder.path, stdin: await readFile(CLIP) })
    expect(code).toBe(0)
    expect(stdout).toContain('The hospital is near the park.')
  })

  test('a pipe is read to its end', async () => {
    await using folder = await temporaryFolder()
    const pipe = join(folder.path, 'pipe.mp3')
    await promisify(execFile)('mkfifo', [pipe])
    const [{ code, stdout }] = await Promise.all([
      sotto(['transcribe', pipe], { cwd: folder.path }),
      readFile(CLIP).then((bytes) => writeFile(pipe, bytes)),
    ])
    expect(code).toBe(0)
    expect(stdout).toContain('The hospital is near the park.')
  })

  test('a stream without an end is refused, and leaves nothing', async () => {
    await using folder = await temporaryFolder()
    const environment = { SOTTO_MAX_UPLOAD_BYTES: '10k', TMPDIR: folder.path }
    const { code, stderr } = await sotto(['transcribe', '-'], {
      cwd: folder.path,
      environment,
      stdin: await readFile(CLIP),
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/stdin: it has more than 10240 bytes \(SOTTO_MAX_UPLOAD_BYTES\)/)
    expect(await readdir(folder.path)).toEqual([])
  })

  test('a folder: what is in it and below, without what is no recording', async () => {
    await using folder = await temporaryFolder()
    const at = (name: string): string => join(folder.path, 'talks', name)
    await mkdir(at('2025/.cache'), { recursive: true })
    await copyFile(CLIP, at('one.mp3'))
    await copyFile(SHORT, at('2025/one.wav'))
    await copyFile(SHORT, at('2025/.cache/hidden.wav'))
    await writeFile(at('notes.md'), 'a letter to a friend')
    await copyFile(fixture('video-without-sound.mp4'), at('silent.mp4'))
    const args = ['transcribe', 'talks', 'talks/one.mp3', '--output-dir', 'out']
    const { code, stderr } = await sotto(args, { cwd: folder.path })
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/talks\/notes\.md: skipped, since it is no recording/),
    })
    expect((await readdir(join(folder.path, 'out'), { recursive: true })).toSorted()).toEqual([
      '2025',
      '2025/one.txt',
      'one.txt',
    ])

    const partly = await sotto(['transcribe', 'talks', 'empty', '--output-format', 'json'], { cwd: folder.path })
    expect(partly.code).toBe(1)
    expect(partly.stderr).toMatch(/empty: there is no such file/)
    const files = partly.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { file: string }).file)
    expect(files).toEqual(['talks/2025/one.wav', 'talks/one.mp3'])
  })

  test('a folder without a recording fails', async () => {
    await using folder = await temporaryFolder()
    await mkdir(join(folder.path, 'empty'))
    const { code, stderr } = await sotto(['transcribe', 'empty'], { cwd: folder.path })
    expect(code).toBe(1)
    expect(stderr).toContain('empty: there is no file in this folder')
  })

  test('refuses a parameter that is wrong, with its name', async () => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await sotto(['transcribe', CLIP, '--beam-size', 'five'], { cwd: folder.path })
    expect(code).toBe(1)
    expect(stderr).toContain('input.beam_size must be an integer from 1 to 20, or null; got "five".')
  })
})

describe('sotto models', () => {
  test('list shows which weights are here', async () => {
    await using folder = await temporaryFolder()
    const { stdout } = await sotto(['models', 'list'], { cwd: folder.path, environment: { HF_HOME: folder.path } })
    expect(stdout).toMatch(/^sotto\/whisper-demo +4 MB {2}here$/m)
    expect(stdout).toMatch(/^openai\/whisper-tiny +151 MB {2}fetched at first use$/m)
  })

  test('pull fetches them, and says where they are', async () => {
    await using folder = await temporaryFolder()
    await using hub = await Hub.start({ 'openai/whisper-tiny': join(PROJECT, 'models/whisper-demo') })
    const environment = { HF_ENDPOINT: hub.url, HF_HOME: folder.path, HF_HUB_OFFLINE: '0' }
    const pulled = await sotto(['models', 'pull', 'openai/whisper-tiny'], { cwd: folder.path, environment })
    expect(pulled).toMatchObject({ code: 0, stderr: '' })
    expect(await readdir(pulled.stdout.trim())).toContain('model.safetensors')
    const offline = { HF_HOME: folder.path }
    expect((await sotto(['models', 'list'], { cwd: folder.path, environment: offline })).stdout).toMatch(
      /whisper-tiny .* here/,
    )
    const transcript = await sotto(['transcribe', CLIP, '--model', 'openai/whisper-tiny'], {
      cwd: folder.path,
      environment: offline,
    })
    expect(transcript.stdout).toContain('The hospital is near the park.')
  })

  test('pull of a model that there is not', async () => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await sotto(['models', 'pull', 'openai/whisper-huge'], { cwd: folder.path })
    expect(code).toBe(1)
    expect(stderr).toMatch(/no model openai\/whisper-huge.*Known are sotto\/whisper-demo/s)
  })
})

describe('sotto', () => {
  test('--help lists the commands, and those that are not for people stay out', async () => {
    await using folder = await temporaryFolder()
    const { code, stdout } = await sotto(['--help'], { cwd: folder.path })
    expect(code).toBe(0)
    for (const command of ['serve', 'transcribe', 'models', 'keys'])
      expect(stdout).toMatch(new RegExp(`^ +${command}\\b`, 'm'))
    expect(stdout).not.toMatch(/^ +engine\b/m)
  })

  test('serve --help lists the settings with their variables', async () => {
    await using folder = await temporaryFolder()
    const { stdout } = await sotto(['serve', '--help'], { cwd: folder.path })
    for (const text of ['--port', '--data-dir', '--workers', 'SOTTO_MAX_UPLOAD_BYTES']) expect(stdout).toContain(text)
  })

  test('--version', async () => {
    await using folder = await temporaryFolder()
    expect((await sotto(['--version'], { cwd: folder.path })).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test.each([
    ['SOTTO_DATA_DIR', 'data-dir'],
    ['SOTTO_CACHE_DIR', 'cache-dir'],
  ])('a start says that %s can’t be written, before a job finds out', async (variable, flag) => {
    await using folder = await temporaryFolder()
    const unusable = join(folder.path, 'file', 'below')
    await writeFile(join(folder.path, 'file'), '')
    const output = await failedStart({ dataDir: folder.path, arguments: [`--${flag}`, unusable] })
    expect(output).toContain('ended with 2')
    expect(output).toContain(`sotto: ${variable} takes a folder that can be written; got "${unusable}" (ENOTDIR`)
  })

  test('weights that are not quantised need no folder for copies', async () => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'file'), '')
    const flags = ['--cache-dir', join(folder.path, 'file'), '--precision', 'f32']
    await using server = await Server.start({ dataDir: folder.path, arguments: flags })
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  })

  test('a start asks what a variable is meant to be that is none', async () => {
    await using folder = await temporaryFolder()
    const environment = { SOTTO_WORKER: '2', SOTTO_COLOUR: 'blue' }
    await using server = await Server.start({ dataDir: folder.path, environment })
    const log = (): string => server.log.map(({ text }) => text).join('\n')
    await expect
      .poll(log)
      .toContain('SOTTO_WORKER is set, but there is no such setting; did you mean SOTTO_WORKERS? See')
    await expect.poll(log).toContain('SOTTO_COLOUR is set, but there is no such setting. See sotto serve --help')
  })

  test.each([
    [['serve', '--port', 'eighty'], /--port takes an integer from 0 to 65535; got "eighty"/],
    [['serve', '--nonsense'], /unknown option/],
    [['dance'], /unknown command/],
    [[], /Usage/],
  ])('%j is not understood: 2', async (args, message) => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await sotto(args, { cwd: folder.path })
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})

/** What a server that does not start has said. */
async function failedStart(options: ServerOptions): Promise<string> {
  try {
    await using server = await Server.start(options)
    return `it started: ${server.url}`
  } catch (error) {
    return String(error)
  }
}
