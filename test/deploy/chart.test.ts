import { execFile, execFileSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Type from 'typebox'
import Schema from 'typebox/schema'
import Value from 'typebox/value'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { configOf, deployed, imageVariables, isCommand, versions } from '../support/deployment.ts'
import { PROJECT } from '../support/server.ts'

const run = promisify(execFile)
const CHART = join(PROJECT, 'deploy/helm/sotto')
const GIVEN = [
  '--set=publicUrl=https://sotto.example.com',
  '--set=payloads=s3://recordings/sotto',
  '--set=secrets.values.DATABASE_URL=postgres://sotto:hidden@db/sotto',
]
const ALL = [
  ...['s3.endpoint=https://s3.example.com', 's3.region=eu-central-1', 's3.pathStyle=true', 'env.SOTTO_RETENTION=30d'],
  ...['api.autoscaling.enabled=true', 'ingress.enabled=true', 'ingress.tlsSecretName=tls', 'modelCache.create=true'],
  ...['workerPools.gpu.enabled=true', 'workerPools.cpu.tiers={cpuflex}', 'workerDefaults.autoscaling.enabled=true'],
  ...['workerPools.gpu.models={openai/whisper-large-v3@main,org/name}', 'migration.enabled=true'],
  ...['serviceMonitor.enabled=true', 'networkPolicy.from[0].namespaceSelector.matchLabels.name=ingress'],
].map((setting) => `--set=${setting}`)

const Variable = Type.Object({ name: Type.String(), value: Type.String() })
const Pod = Type.Object({
  containers: Type.Array(
    Type.Object({ image: Type.String(), args: Type.Array(Type.String()), env: Type.Array(Variable) }),
  ),
})
const WithPod = Type.Object({ spec: Type.Object({ template: Type.Object({ spec: Pod }) }) })
const Resource = Type.Object({ kind: Type.String(), metadata: Type.Object({ name: Type.String() }) })
const Scaled = Type.Object({
  spec: Type.Object({
    triggers: Type.Array(Type.Object({ metadata: Type.Record(Type.String(), Type.String()) })),
  }),
})

function hasHelm(): boolean {
  try {
    execFileSync('helm', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function templates(): Promise<readonly (readonly [file: string, text: string])[]> {
  const files = await readdir(join(CHART, 'templates'))
  return await Promise.all(files.map(async (file) => [file, await deployed(`helm/sotto/templates/${file}`)] as const))
}

/** `a.b` for each value that is no map, or an empty one. */
function leaves(tree: unknown, path = ''): readonly string[] {
  const isMap = typeof tree === 'object' && tree !== null && !Array.isArray(tree)
  const entries = isMap ? Object.entries(tree) : []
  return entries.length === 0 ? [path] : entries.flatMap(([key, value]) => leaves(value, `${path}.${key}`))
}

async function values(): Promise<Readonly<Record<string, unknown>>> {
  return Value.Parse(Type.Record(Type.String(), Type.Unknown()), parse(await deployed('helm/sotto/values.yaml')))
}

async function render(...flags: readonly string[]): Promise<readonly unknown[]> {
  const { stdout } = await run('helm', ['template', 'sotto', CHART, '--namespace', 'speech', ...flags])
  return parseAllDocuments(stdout)
    .map((document) => document.toJS() as unknown)
    .filter((document) => document !== null)
}

test('its schema takes its values, and no others', async () => {
  const schema = Value.Parse(Type.Object({}), JSON.parse(await deployed('helm/sotto/values.schema.json')))
  const compiled = Schema.Compile(schema)
  const good = await values()
  expect(compiled.Errors(good)).toEqual([true, []])
  for (const bad of [{ replicas: 3 }, { api: { replcas: 3 } }, { publicUrl: 'sotto' }, { payloads: 'recordings' }]) {
    expect(compiled.Check({ ...good, ...bad })).toBe(false)
  }
})

test('templates use the values that there are, and all of them', async () => {
  const { workerDefaults, workerPools: _, ...shared } = await values()
  const known = leaves(shared)
  const knownOfPools = leaves(workerDefaults)
  const used: string[] = []
  const usedOfPools: string[] = []
  for (const [file, text] of await templates()) {
    for (const [, path = ''] of text.matchAll(/\.Values((?:\.\w+)+)/g)) {
      if (/^\.worker(?:Defaults|Pools)$/.test(path)) continue
      used.push(path)
      const exists = known.some((name) => `${name}.`.startsWith(`${path}.`) || path.startsWith(`${name}.`))
      expect(exists, `${file}: .Values${path}`).toBe(true)
    }
    for (const [, path = ''] of text.matchAll(/\$(?:pool|merged)((?:\.\w+)+)/g)) {
      usedOfPools.push(path)
      const exists = knownOfPools.some((name) => `${name}.`.startsWith(`${path}.`))
      expect(exists, `${file}: $pool${path}`).toBe(true)
    }
  }
  // image is merged with a pool's own before it is read.
  const isUsed = (paths: readonly string[]) => (name: string) =>
    name.startsWith('.image.') || paths.some((path) => `${name}.`.startsWith(`${path}.`))
  expect(known.filter((name) => !isUsed(used)(name))).toEqual([])
  expect(knownOfPools.filter((name) => !isUsed(usedOfPools)(name))).toEqual([])
})

const Confinement = Type.Object({
  podSecurityContext: Type.Object({
    runAsNonRoot: Type.Literal(true),
    seccompProfile: Type.Object({ type: Type.Literal('RuntimeDefault') }),
  }),
  securityContext: Type.Object({
    allowPrivilegeEscalation: Type.Literal(false),
    readOnlyRootFilesystem: Type.Literal(true),
    capabilities: Type.Object({ drop: Type.Tuple([Type.Literal('ALL')]) }),
  }),
  ingress: Type.Object({ paths: Type.Array(Type.String()) }),
  networkPolicy: Type.Object({ enabled: Type.Literal(true) }),
  api: Type.Object({ resources: Bounds() }),
  workerPools: Type.Record(Type.String(), Type.Object({ resources: Bounds() })),
})

function Bounds() {
  const amounts = Type.Object({ memory: Type.String(), 'ephemeral-storage': Type.String() })
  return Type.Object({ requests: amounts, limits: amounts })
}

test('pods are bounded and confined as the restricted Pod Security Standard asks, and no inner route leads to the world', async () => {
  const { ingress } = Value.Parse(Confinement, await values())
  for (const inner of ['/metrics', '/readyz']) {
    expect(ingress.paths.filter((path) => inner.startsWith(path))).toEqual([])
  }
  expect(ingress.paths).toEqual(
    expect.arrayContaining(['/v1', '/openai', '/asr', '/detect-language', '/docs', '/healthz']),
  )
  const all = new Map(await templates())
  for (const file of ['api.yaml', 'workers.yaml', 'migration.yaml']) {
    expect(all.get(file)).toMatch(/ +resources:\n +\{\{- toYaml \S+resources \|/)
    expect(all.get(file)).toMatch(/ +securityContext:\n +\{\{- toYaml \$?\.Values\.securityContext \|/)
  }
  const policy = all.get('network-policy.yaml') ?? ''
  expect(policy).toMatch(/policyTypes: \[Ingress.*\n {2}ingress: \[\]\n/)
  expect(policy).toContain('- ports: [{ port: http }]')
})

test('it installs the project’s version', async () => {
  const chart = Value.Parse(Type.Object({ appVersion: Type.String() }), parse(await deployed('helm/sotto/Chart.yaml')))
  expect(chart.appVersion).toBe((await versions()).sotto)
  const [, port] = /containerPort: (\d+)/.exec(await deployed('helm/sotto/templates/api.yaml')) ?? []
  expect(port).toBe((await imageVariables())['PORT'])
})

describe.skipIf(!hasHelm())('rendered by Helm (skipped without helm)', () => {
  test.each([
    ['as it is', []],
    ['with all that there is', [...ALL, '--is-upgrade']],
  ])('%s, its processes get commands and settings that there are', async (_name, flags) => {
    const image = await imageVariables()
    const rendered = (await render(...GIVEN, ...flags)).filter((resource) => Value.Check(WithPod, resource))
    const pods = rendered.flatMap((resource) => resource.spec.template.spec.containers)
    expect(pods.map(({ args }) => args)).toEqual(expect.arrayContaining([['api'], ['worker']]))
    for (const { args, env } of pods) {
      const given = Object.fromEntries(env.map(({ name, value }) => [name, value]))
      expect(configOf({ ...image, ...given }).payloads.store).toMatchObject({ bucket: 'recordings', prefix: 'sotto' })
      expect(await isCommand(args)).toBe(true)
    }
  })

  test('pools have what they say, over the defaults; the API knows the models of all', async () => {
    const rendered = (await render(...GIVEN, ...ALL)).filter((resource) => Value.Check(WithPod, resource))
    const byName = new Map(
      rendered.map((resource) => [Value.Parse(Resource, resource).metadata.name, resource.spec.template.spec]),
    )
    const variable = (pod: string, name: string): string | undefined =>
      byName.get(pod)?.containers[0]?.env.find((found) => found.name === name)?.value
    expect(variable('sotto-worker-cpu', 'SOTTO_TIERS')).toBe('cpuflex')
    expect(variable('sotto-worker-gpu', 'SOTTO_TIERS')).toBe('gpuflex')
    expect(variable('sotto-worker-cpu', 'SOTTO_MODELS')).toBeUndefined()
    expect(variable('sotto-worker-gpu', 'SOTTO_MODELS')).toBe('openai/whisper-large-v3@main,org/name')
    expect(variable('sotto-api', 'SOTTO_MODELS')).toBe('openai/whisper-large-v3@main,org/name')
    expect(byName.get('sotto-worker-gpu')?.containers[0]?.image).toBe(`sotto:${(await versions()).sotto}-gpu`)
  })

  test('a pool scales by the audio of its tiers and models, counted once however many servers tell of it', async () => {
    const scaled = (await render(...GIVEN, ...ALL)).filter((resource) => Value.Check(Scaled, resource))
    const queries = scaled.map((resource) => resource.spec.triggers[0]?.metadata['query'])
    expect(queries).toEqual([
      'sum(max by (model, tier, status) (sotto_queue_audio_seconds{namespace="speech",tier=~"cpuflex"})) ' +
        'or max(0 * sotto_workers{namespace="speech"})',
      'sum(max by (model, tier, status) (sotto_queue_audio_seconds{namespace="speech",tier=~"gpuflex",' +
        'model=~"openai/whisper-large-v3|org/name"})) or max(0 * sotto_workers{namespace="speech"})',
    ])
  })

  test('nothing comes in to a worker; from the outside no inner route is reached', async () => {
    const rendered = await render(...GIVEN, ...ALL)
    const of = (kind: string): readonly unknown[] =>
      rendered.filter((resource) => Value.Check(Resource, resource) && resource.kind === kind)
    expect(of('NetworkPolicy')).toMatchObject([
      { spec: { policyTypes: ['Ingress'], ingress: [] } },
      { spec: { ingress: [{ ports: [{ port: 'http' }], from: [{ namespaceSelector: {} }] }] } },
    ])
    const paths = JSON.stringify(of('Ingress'))
    expect(paths).toContain('"/v1"')
    expect(paths).not.toMatch(/"\/(metrics|readyz)?"/)
  })

  test('what has to be given is asked for', async () => {
    for (const [index, missing] of ['publicUrl', 'payloads', 'DATABASE_URL'].entries()) {
      await expect(render(...GIVEN.toSpliced(index, 1))).rejects.toThrow(missing)
    }
    await expect(render(...GIVEN, '--set=workerPools.cpu.tierz={cpuflex}')).rejects.toThrow('tierz')
  })
})
