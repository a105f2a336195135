import { describe, expect, test } from 'vitest'
import { circles, closure, importGraph, importsIn } from './support/import-graph.ts'
import type { ImportGraph } from './support/import-graph.ts'
import { PROJECT } from './support/server.ts'

/**
 * What each room may import besides itself. `app` is what composes: the files that lie in no room. A family of models is a room of its own,
 * `models/<family>`; `models` is what lies beside them, and what all families describe their parameters by.
 */
const MAY: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  transcript: ['contract'],
  speech: ['contract'],
  confinement: ['contract'],
  config: ['contract'],
  hub: ['contract'],
  jobs: ['contract'],
  outbound: ['contract'],
  fetching: ['contract', 'outbound'],
  payloads: ['contract'],
  probe: ['contract', 'payloads', 'speech', 'confinement'],
  models: ['contract', 'speech', 'transcript'],
  family: ['contract', 'speech', 'transcript', 'models'],
  webhooks: ['contract', 'jobs', 'outbound'],
  api: ['contract', 'jobs', 'payloads', 'models', 'transcript', 'outbound', 'fetching', 'webhooks'],
  engine: ['contract', 'speech', 'models'],
  worker: ['contract', 'jobs', 'payloads', 'hub', 'models', 'transcript', 'confinement', 'outbound', 'fetching'],
}
/** They put the others together; families are not theirs to name either. */
const COMPOSERS = ['app', 'commands']
/** What everybody may import. */
const COMMON = ['src/version.ts']
/** A family is known by name in its folder and here; all else asks the index. */
const NAMES_FAMILIES = ['src/models/index.ts', 'src/models/catalogue.ts', 'src/commands/whisper.ts']
/** Entries of other processes, which a room starts and does not load. */
const MAY_START: Readonly<Record<string, readonly string[]>> = { worker: ['engine', 'app'] }

/** Support of tests beside the sources: contracts that several implementations are held against, and fixtures. */
const IS_TEST = /\.(?:test|contract|fixture|child)\.ts$/

const graph = importGraph(PROJECT, 'src')
const sources: ImportGraph = new Map([...graph].filter(([file]) => !IS_TEST.test(file)))

function roomOf(file: string): string {
  const [, room] = /^src\/(models\/[^/]+|[^/]+)\/.+/.exec(file) ?? []
  if (room === 'models/parameters') return 'models'
  return room ?? 'app'
}

function isFamily(room: string): boolean {
  return room.startsWith('models/')
}

function mayImport(file: string, of: string): boolean {
  const [from, to] = [roomOf(file), roomOf(of)]
  if (from === to || COMMON.includes(of)) return true
  if (isFamily(to)) return NAMES_FAMILIES.includes(file)
  return COMPOSERS.includes(from) || MAY[isFamily(from) ? 'family' : from]?.includes(to) === true
}

/** `room → room` → the imports that make this arrow. */
function arrows(isAllowed: (file: string, of: string) => boolean, kinds: 'import' | 'start'): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [file, imports] of sources) {
    for (const { kind, of } of imports) {
      if ((kind === 'start') !== (kinds === 'start') || !of.startsWith('src/') || isAllowed(file, of)) continue
      const arrow = `${roomOf(file)} → ${roomOf(of)}`
      found.set(arrow, [...(found.get(arrow) ?? []), `${file} → ${of}`])
    }
  }
  return found
}

describe('the sources', () => {
  test('lie in rooms that have a rule', () => {
    const rooms = new Set([...sources.keys()].map(roomOf))
    const known = [...Object.keys(MAY), ...COMPOSERS]
    expect([...rooms].filter((room) => !isFamily(room) && !known.includes(room))).toEqual([])
    expect(rooms.size).toBeGreaterThan(12)
  })

  test('import only what their room may, types as well, be it when a line is reached', () => {
    const wrong = arrows(mayImport, 'import')
    expect(Object.fromEntries(wrong)).toEqual({})
  })

  test('start only processes and threads that their room may', () => {
    const mayStart = (file: string, of: string): boolean =>
      roomOf(file) === roomOf(of) || MAY_START[roomOf(file)]?.includes(roomOf(of)) === true
    expect(Object.fromEntries(arrows(mayStart, 'start'))).toEqual({})
    const entries = [...sources.values()].flat().filter(({ kind }) => kind === 'start')
    expect(entries.map(({ of }) => of)).toContain('src/engine/engine-main.ts')
    expect(entries.filter(({ of }) => !sources.has(of))).toEqual([])
  })

  test('do not import each other in a circle, types neither: what two files need lies in a third', () => {
    expect(circles(sources, ['static', 'type', 'dynamic']).map((way) => way.join(' → '))).toEqual([])
  })

  test('of the API load no native code, with all that they load', () => {
    const api = [...sources.keys()].filter((file) => roomOf(file) === 'api')
    const loaded = [...closure(sources, api, ['static'])]
    expect(loaded).toContain('fastify')
    expect(loaded.filter((name) => /^(?:onnxruntime-node|node-av|@huggingface\/tokenizers)\b/.test(name))).toEqual([])
  })

  test('load no support of tests', () => {
    const wrong = [...sources].flatMap(([file, imports]) =>
      imports.filter(({ of }) => IS_TEST.test(of) || of.startsWith('test/')).map(({ of }) => `${file} → ${of}`),
    )
    expect(wrong).toEqual([])
  })

  test('have no programs of tests among them: these lie in test/support', () => {
    expect([...graph.keys()].filter((file) => file.endsWith('.child.ts'))).toEqual([])
  })
})

describe('the graph', () => {
  test('knows each way to name another file', () => {
    const text = `
      import { a } from './a.ts'
      import type { B } from './b.ts'
      import { type C } from './c.ts'
      export { d } from './d.ts'
      export type * from './e.ts'
      export * from './f.ts'
      type G = typeof import('./g.ts')
      const h = await import('./h.ts')
      const i = new URL(\`./i\${extension}\`, import.meta.url)
      const page = new URL('./about', 'https://example.com')
      import './j.ts'
      import k, { type K } from 'k'
    `
    expect(importsIn('file.ts', text).map(({ kind, of }) => `${kind} ${of}`)).toEqual([
      ...['static ./a.ts', 'type ./b.ts', 'type ./c.ts', 'static ./d.ts', 'type ./e.ts', 'static ./f.ts'],
      ...['type ./g.ts', 'dynamic ./h.ts', 'start ./i.ts', 'static ./j.ts', 'static k'],
    ])
  })

  test('shows the shortest circle, and none where there is none', () => {
    const of = (...names: readonly string[]) => names.map((name) => ({ kind: 'static' as const, of: name }))
    const loop: ImportGraph = new Map([
      ['a', of('b')],
      ['b', of('c', 'd')],
      ['c', of('d')],
      ['d', of('b', 'e')],
      ['e', of()],
    ])
    expect(circles(loop, ['static'])).toEqual([
      ['b', 'd', 'b'],
      ['c', 'd', 'b', 'c'],
    ])
    expect(circles(new Map([['a', of('b', 'e')]]), ['static'])).toEqual([])
    expect([...closure(loop, ['c'], ['static'])]).toEqual(['c', 'd', 'b', 'e'])
    expect([...closure(loop, ['c'], ['type'])]).toEqual(['c'])
  })
})
