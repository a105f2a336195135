import { describe, expect, test } from 'vitest'
import { OutboundGuard } from './guard.ts'
import type { GuardOptions } from './guard.ts'
import { LOOPBACK, METADATA, PRIVATE } from './addresses.fixture.ts'

const { signal } = new AbortController()

/** Answers without a network; what is not in the table does not exist. */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  'public.example': ['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'],
  'mixed.example': ['93.184.215.14', '10.0.0.7'],
  'nas.example': ['192.168.1.20'],
  'self.example': ['127.0.0.1'],
  'meta.example': ['169.254.169.254'],
  'six.example': ['::ffff:10.0.0.1'],
}

function guard(allow: GuardOptions['allow'] = []): OutboundGuard {
  return new OutboundGuard({ allow, resolve: (name) => Promise.resolve(TABLE[name] ?? []) })
}

const verdict = async (url: string, allow: GuardOptions['allow'] = []): Promise<string> =>
  await guard(allow)
    .judge(url, signal)
    .then(
      ({ href }) => href,
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'other'),
    )

describe('the guard', () => {
  test.each([...LOOPBACK, ...PRIVATE, ...METADATA])('refuses %s, before any request', async (host) => {
    expect(await verdict(`http://${host}/clip.wav`)).toBe('outbound.refused')
  })

  test('refuses them for whatever spans them: they are listed by themselves', async () => {
    for (const host of [...LOOPBACK, ...METADATA])
      expect([host, await verdict(`http://${host}/`, ['0.0.0.0/0', '*.example'])]).toEqual([host, 'outbound.refused'])
    expect(await verdict('http://127.0.0.1:8000/', ['127.0.0.0/8'])).toBe('http://127.0.0.1:8000/')
    expect(await verdict('http://127.1:8000/', ['127.0.0.1'])).toBe('http://127.0.0.1:8000/')
    expect(await verdict('http://169.254.169.254/', ['169.254.169.254'])).toBe('http://169.254.169.254/')
    expect(await verdict('http://[fe80::1]/', ['fe80::/10'])).toBe('http://[fe80::1]/')
    expect(await verdict('http://127.0.0.2/', ['127.0.0.1'])).toBe('outbound.refused')
  })

  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.15.0.1',
    '172.32.0.1',
    '100.63.0.1',
    '[2606:4700::1111]',
    '[64:ff9b::8.8.8.8]',
    'public.example',
    'public.example.',
  ])('lets %s pass', async (host) => {
    expect(await verdict(`https://${host}/clip.wav`)).toBe(new URL(`https://${host}/clip.wav`).href)
  })

  test.each(['mixed.example', 'nas.example', 'self.example', 'meta.example', 'six.example', 'unknown.example'])(
    'says the same of %s as of a host that there is not: nobody explores a network by it',
    async (host) => {
      const said = async (name: string): Promise<unknown> =>
        await guard()
          .judge(`http://${name}/`, signal)
          .catch((error: unknown) => error)
      const [refusal, unknown] = [await said(host), await said('nobody.example')]
      expect(refusal).toMatchObject({ code: 'outbound.refused', retryable: false })
      expect(refusal).toEqual(unknown)
      expect(String(refusal)).not.toContain(host)
    },
  )

  test.each(['localhost', 'LOCALHOST.', 'a.localhost', 'printer.local', 'metadata.google.internal', 'vault.internal'])(
    'refuses the name %s without asking anybody',
    async (host) => {
      const asked: string[] = []
      const resolve = async (name: string): Promise<readonly string[]> => {
        asked.push(name)
        return await Promise.resolve(['93.184.215.14'])
      }
      await expect(new OutboundGuard({ allow: [], resolve }).judge(`http://${host}/`, signal)).rejects.toThrow(
        'SOTTO_FETCH_ALLOW',
      )
      expect(asked).toEqual([])
    },
  )

  test('lets names and networks pass that are listed, and their neighbours not', async () => {
    expect(await verdict('http://nas.example/a.mp3', ['192.168.0.0/16'])).toBe('http://nas.example/a.mp3')
    expect(await verdict('http://192.168.1.20/', ['192.168.1.0/24'])).toBe('http://192.168.1.20/')
    expect(await verdict('http://192.168.2.20/', ['192.168.1.0/24'])).toBe('outbound.refused')
    expect(await verdict('http://[fd00::7]/', ['fd00::/8'])).toBe('http://[fd00::7]/')
    expect(await verdict('http://nas.example/', ['10.0.0.0/8', 'other.example'])).toBe('outbound.refused')
    expect(await verdict('http://mixed.example/', ['192.168.0.0/16'])).toBe('outbound.refused')
    // By the system, whose file of hosts has it.
    expect(await verdict('http://localhost:8000/', ['localhost'])).toBe('http://localhost:8000/')
    expect(await verdict('http://localhost:8000/', ['127.0.0.0/8'])).toBe('outbound.refused')
  })

  test.each([
    'file:///etc/passwd',
    'ftp://public.example/',
    'data:audio/wav;base64,AAAA',
    'gopher://public.example/',
    'blob:https://public.example/1',
    'javascript:1',
    'ws://public.example/',
    'public.example/a.wav',
    '//public.example/a.wav',
    '',
    'http://',
    'http://[::1',
    'http://256.1.1.1/',
    'http://a b/',
    'http://me:secret@public.example/',
    'http://me@public.example/',
    'http://public.example@127.0.0.1/',
    'http://127.0.0.1\\@public.example/',
  ])('refuses %j', async (url) => {
    expect(await verdict(url)).toBe('outbound.refused')
  })

  test.each([1, 22, 25, 53, 81, 111, 445, 1023, 2375, 3306, 5432, 6379, 9200, 10_250, 11_211, 27_017])(
    'refuses port %i',
    async (port) => {
      expect(await verdict(`http://public.example:${port}/`)).toBe('outbound.refused')
      expect(await verdict(`http://10.0.0.1:${port}/`, ['10.0.0.0/8'])).toBe('outbound.refused')
    },
  )

  test.each([80, 443, 1024, 3000, 8000, 8080, 8443, 9000, 65_535])('takes port %i', async (port) => {
    expect(await verdict(`http://public.example:${port}/`)).toContain('public.example')
  })

  test('lets a name pass that nobody resolves in time: it is judged again when it is connected to', async () => {
    const slow = new OutboundGuard({ allow: [], resolve: async () => await new Promise<never>(() => undefined) })
    expect((await slow.judge('http://slow.example/', signal)).href).toBe('http://slow.example/')
  })

  test('ends when its caller goes', async () => {
    const gone = new AbortController()
    const slow = new OutboundGuard({ allow: [], resolve: async () => await new Promise<never>(() => undefined) })
    const judged = slow.judge('http://slow.example/', gone.signal)
    gone.abort(new Error('gone'))
    await expect(judged).rejects.toThrow('gone')
  })
})
