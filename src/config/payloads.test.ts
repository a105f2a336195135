import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

test.each([
  ['500M', 500 * 2 ** 20],
  ['5 GB', 5 * 2 ** 30],
  ['12', 12],
  ['1TiB', 2 ** 40],
])('reads %s as bytes', (given, expected) => {
  expect(loadConfig({ SOTTO_MAX_UPLOAD_BYTES: given }).payloads.maxUploadBytes).toBe(expected)
})

test('what is not submitted yet may be any amount', () => {
  expect(loadConfig({ SOTTO_MAX_UNSUBMITTED_BYTES: 'off' }).payloads.maxUnsubmittedBytes).toBeNull()
})

test.each([
  ['s3://recordings', 'recordings', ''],
  ['s3://recordings/', 'recordings', ''],
  ['s3://recordings.example.com/sotto', 'recordings.example.com', 'sotto'],
  ['s3://recordings/a/b_c.d/', 'recordings', 'a/b_c.d'],
])('reads %s as a bucket and a prefix', (value, bucket, prefix) => {
  const environment = { SOTTO_PAYLOADS: value, SOTTO_S3_PATH_STYLE: 'on' }
  expect(loadConfig(environment).payloads.store).toEqual({ kind: 's3', bucket, prefix, pathStyle: true })
  expect(loadConfig({ SOTTO_PAYLOADS: value }).payloads.store).toMatchObject({ pathStyle: false })
})

test('payloads lie in the data folder by default', () => {
  expect(loadConfig({ SOTTO_S3_PATH_STYLE: 'on' }).payloads.store).toEqual({ kind: 'folder' })
  expect(loadConfig({ SOTTO_PAYLOADS: 'folder' }).payloads.store).toEqual({ kind: 'folder' })
})

test.each([
  's3',
  's3://',
  's3:///prefix',
  's3://UPPER/a',
  's3://ab',
  's3://recordings//a',
  's3://recordings/a b',
  's3://recordings/../a',
  `s3://recordings/${'a'.repeat(513)}`,
  'https://s3.example.com/recordings',
])('payloads do not lie in %s', (value) => {
  expect(() => loadConfig({ SOTTO_PAYLOADS: value })).toThrow('SOTTO_PAYLOADS takes folder, or s3://<bucket>')
})
