import { afterEach, expect, test, vi } from 'vitest'
import { CPU } from '../../contract/device.ts'
import { findDevice } from './find-device.ts'

afterEach(() => vi.unstubAllEnvs())

test('the CPU is asked for nothing', async () => {
  expect(await findDevice('cpu')).toBe(CPU)
})

test('a driver that crashes ends nothing but the process that tries it', async () => {
  vi.stubEnv('NODE_OPTIONS', '--import=data:text/javascript,process.abort()')
  await expect(findDevice('webgpu')).rejects.toMatchObject({
    code: 'device.unavailable',
    message:
      'SOTTO_DEVICE is webgpu. Its driver ended the process that tried it, with SIGABRT. With auto or cpu it runs without.',
  })
})

test('a probe ends with the signal', async () => {
  await expect(findDevice('webgpu', AbortSignal.abort(new Error('stopping')))).rejects.toThrow('stopping')
})
