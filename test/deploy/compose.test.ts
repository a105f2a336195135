import Type from 'typebox'
import Value from 'typebox/value'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { configOf, deployed, imageVariables, isCommand, versions } from '../support/deployment.ts'
import type { Variables } from '../support/deployment.ts'

const Service = Type.Object({
  image: Type.String(),
  restart: Type.Optional(Type.String()),
  command: Type.Optional(Type.Array(Type.String())),
  environment: Type.Optional(Type.Record(Type.String(), Type.String())),
  healthcheck: Type.Optional(Type.Object({ disable: Type.Optional(Type.Boolean()) })),
  build: Type.Optional(Type.Object({ target: Type.String() })),
  volumes: Type.Optional(Type.Array(Type.String())),
  read_only: Type.Optional(Type.Boolean()),
  cap_drop: Type.Optional(Type.Array(Type.String())),
  cap_add: Type.Optional(Type.Array(Type.String())),
  security_opt: Type.Optional(Type.Array(Type.String())),
  mem_limit: Type.Optional(Type.String()),
  pids_limit: Type.Optional(Type.Number()),
})
const Compose = Type.Object({
  services: Type.Record(Type.String(), Service),
  volumes: Type.Record(Type.String(), Type.Null()),
})

/** Such as `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. */
const INTERPOLATION = /\$\{(\w+)(?::([-?])([^}]*))?\}/g
const SECRET = /PASSWORD|SECRET|KEY|TOKEN/
/** What an administrator would fill in. */
const FILLED: Variables = {
  SITE_HOST: 'sotto.example.com',
  SOTTO_API_KEY: '0123456789abcdef0123456789abcdef',
  POSTGRES_PASSWORD: 'abcdef',
  S3_ACCESS_KEY_ID: 'GK0123456789abcdef',
  S3_SECRET_ACCESS_KEY: 'fedcba',
  S3_RPC_SECRET: '01',
}

async function open(): Promise<{ readonly text: string; readonly compose: Type.Static<typeof Compose> }> {
  const text = await deployed('docker-compose.yml')
  return { text, compose: Value.Parse(Compose, parse(text, { merge: true })) }
}

async function example(): Promise<Variables> {
  const text = await deployed('.env.example')
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]))
}

/** As Compose does it. */
function interpolated(text: string, variables: Variables): string {
  return text.replaceAll(INTERPOLATION, (_all, name: string, kind: string | undefined, rest: string | undefined) => {
    const value = variables[name] ?? ''
    if (value === '' && kind === '?') throw new Error(`${name}: ${rest}`)
    return value === '' && kind === '-' ? (rest ?? '') : value
  })
}

test('each of Sotto’s services gets settings that it takes, and a command that there is', async () => {
  const { compose } = await open()
  const variables = { ...(await example()), ...FILLED }
  const image = await imageVariables()
  const own = Object.entries(compose.services).filter(([, { image: name }]) => name.includes('sotto:'))
  expect(own.map(([name]) => name)).toEqual(['api', 'worker', 'gpu-worker'])
  for (const [, { environment = {}, command = [] }] of own) {
    const given = Object.entries(environment).map(([key, value]) => [key, interpolated(value, variables)])
    const { jobs, payloads } = configOf({ ...image, ...Object.fromEntries(given) })
    expect({ jobs, payloads }).toMatchObject({
      jobs: { databaseUrl: 'postgres://sotto:abcdef@postgres:5432/sotto' },
      payloads: { store: { bucket: 'recordings', pathStyle: true } },
    })
    expect(await isCommand(command)).toBe(true)
  }
})

test('clients upload to the address that they know the API by, which the proxy leads to S3', async () => {
  const { compose } = await open()
  const [caddyfile, garage] = await Promise.all([deployed('Caddyfile'), deployed('garage.toml')])
  const { api, s3, worker } = compose.services
  const bucket = s3?.environment?.['GARAGE_DEFAULT_BUCKET']
  expect(api?.environment?.['AWS_ENDPOINT_URL_S3']).toBe(api?.environment?.['SOTTO_PUBLIC_URL'])
  expect(api?.environment?.['SOTTO_PAYLOADS']).toBe(`s3://${bucket}`)
  expect(caddyfile).toContain(`path /${bucket} /${bucket}/*`)
  expect(caddyfile).toMatch(/@inside path \/metrics \/readyz\n\thandle @inside \{\n\t\trespond 404/)
  const [, port] = /api_bind_addr = "0\.0\.0\.0:(\d+)"/.exec(garage) ?? []
  expect(caddyfile).toContain(`reverse_proxy s3:${port}\n`)
  expect(worker?.environment?.['AWS_ENDPOINT_URL_S3']).toBe(`http://s3:${port}`)
  expect(garage).toContain(`s3_region = "${api?.environment?.['AWS_REGION']}"`)
  expect(caddyfile).toContain(`dynamic a api ${(await imageVariables())['PORT']} `)
})

test('no secret has a value that was not given', async () => {
  const { text } = await open()
  const names = await example()
  const used = [...text.matchAll(INTERPOLATION)].map(([, name = '', kind, rest]) => ({ name, kind, rest }))
  expect(new Set(used.map(({ name }) => name))).toEqual(new Set(Object.keys(names)))
  expect(Object.entries(names).filter(([name, value]) => SECRET.test(name) && value !== '')).toEqual([])
  expect(() => interpolated(text, { ...names, ...FILLED })).not.toThrow()
  for (const name of Object.keys(FILLED)) {
    expect(() => interpolated(text, { ...names, ...FILLED, [name]: '' })).toThrow(name)
  }
  const defaults = used.filter(({ name, kind, rest }) => SECRET.test(name) && kind === '-' && rest !== '')
  expect(defaults).toEqual([])
})

test('every service has a bound on memory and processes, no right that it does not need, and a root that it can’t write', async () => {
  const { compose } = await open()
  const variables = await example()
  for (const [name, service] of Object.entries(compose.services)) {
    expect([name, service]).toEqual([
      name,
      expect.objectContaining({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }),
    ])
    expect([name, service.pids_limit]).toEqual([name, expect.any(Number)])
    expect([name, interpolated(service.mem_limit ?? '', variables)]).toEqual([name, expect.stringMatching(/^\d+[mg]$/)])
  }
  // Each engine has a thread for each core.
  expect(compose.services['worker']?.pids_limit).toBeGreaterThan(compose.services['api']?.pids_limit ?? 0)
  const added = Object.entries(compose.services).flatMap(([name, { cap_add = [] }]) =>
    cap_add.map((right) => [name, right]),
  )
  expect(new Set(added.map(([name]) => name))).toEqual(new Set(['proxy', 'postgres']))
})

test('every service comes again, is of a version, says how it is, and keeps what it has', async () => {
  const { compose } = await open()
  const { sotto: version } = await versions()
  const services = Object.entries(compose.services)
  const without = (isGood: (service: Type.Static<typeof Service>) => boolean): readonly string[] =>
    services.filter(([, service]) => !isGood(service)).map(([name]) => name)
  expect(without(({ restart }) => restart === 'unless-stopped')).toEqual([])
  expect(
    without(({ image }) => (image.includes('sotto:') ? image.includes(`sotto:${version}`) : /:v?\d/.test(image))),
  ).toEqual([])
  // The image of cpu has a health check of its own; whether the proxy serves, its ports tell.
  expect(without(({ healthcheck, build }) => healthcheck !== undefined || build?.target === 'cpu')).toEqual(['proxy'])

  const sources = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0] ?? ''))
  const files = sources.filter((source) => source.startsWith('./'))
  expect(await Promise.all(files.map(deployed))).not.toContain('')
  expect(new Set(sources.filter((source) => !files.includes(source)))).toEqual(new Set(Object.keys(compose.volumes)))
})
