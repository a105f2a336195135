import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

const read = (environment: Readonly<Record<string, string>>) => loadConfig(environment).telemetry

test('nothing is sent unless there is somebody to send it to', () => {
  expect(read({})).toMatchObject({ endpoint: null, protocol: 'http/protobuf', serviceName: 'sotto', isDisabled: false })
  expect(read({ OTEL_SDK_DISABLED: 'true' }).isDisabled).toBe(true)
})

test('headers and attributes are pairs, whose values may be percent-encoded', () => {
  expect(read({ OTEL_EXPORTER_OTLP_HEADERS: 'a=b%3Dc%20d, x-key = =1,,' }).headers).toEqual({
    a: 'b=c d',
    'x-key': '=1',
  })
  expect(read({ OTEL_RESOURCE_ATTRIBUTES: 'host.name=a' }).resourceAttributes).toEqual({ 'host.name': 'a' })
  expect(() => read({ OTEL_RESOURCE_ATTRIBUTES: 'host.name' })).toThrow('OTEL_RESOURCE_ATTRIBUTES takes a list of')
  expect(() => read({ OTEL_EXPORTER_OTLP_HEADERS: 'x-key=%zzsecret' })).toThrow(/^(?!.*secret).*\(hidden\)$/)
})

test.each(['0', '1', '0.25', '.5', '1.0'])('%s is a share', (share) => {
  expect(read({ OTEL_TRACES_SAMPLER_ARG: share }).sampledShare).toBe(Number(share))
})

test.each([
  ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
  ['OTEL_TRACES_SAMPLER_ARG', '-0'],
  ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
  ['OTEL_METRIC_EXPORT_INTERVAL', '0'],
])('%s does not take %s', (variable, value) => {
  expect(() => read({ [variable]: value })).toThrow(`${variable} takes `)
})
