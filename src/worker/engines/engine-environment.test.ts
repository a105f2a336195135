import { expect, test } from 'vitest'
import { engineEnvironment } from './engine-environment.ts'

test('an engine process gets what its libraries read, and no secret', () => {
  const needed = {
    ...{ PATH: '/usr/bin', LANG: 'C.UTF-8', TZ: 'UTC', TMPDIR: '/tmp', LD_LIBRARY_PATH: '/opt/lib', LC_ALL: 'C' },
    ...{ ORT_DISABLE_TELEMETRY: '1', OMP_NUM_THREADS: '2', CUDA_VISIBLE_DEVICES: '0', NVIDIA_VISIBLE_DEVICES: 'all' },
    ...{ VK_DRIVER_FILES: '/usr/lib/icd.json', XDG_RUNTIME_DIR: '/run/user/1', __GLX_VENDOR_LIBRARY_NAME: 'nvidia' },
    ...{ NODE_COMPILE_CACHE: '/var/cache/node' },
    SystemRoot: 'C:\\Windows',
  }
  const secrets = {
    ...{ SOTTO_API_KEY: 'a', SOTTO_ENGINE_API_KEY: 'b', HF_TOKEN: 'c', DATABASE_URL: 'postgres://u:p@h/d' },
    ...{ AWS_ACCESS_KEY_ID: 'd', AWS_SECRET_ACCESS_KEY: 'e', AWS_SESSION_TOKEN: 'f', PGPASSWORD: 'g' },
    ...{ NVIDIA_API_KEY: 'h', OPENAI_API_KEY: 'i', SSH_AUTH_SOCK: '/run/ssh', SOTTO_DATA_DIR: '/data' },
  }
  const { MALLOC_ARENA_MAX, MALLOC_TRIM_THRESHOLD_, GLIBC_TUNABLES, ...rest } = engineEnvironment({
    ...needed,
    ...secrets,
  })
  expect(rest).toEqual(needed)
  expect([MALLOC_ARENA_MAX, MALLOC_TRIM_THRESHOLD_, GLIBC_TUNABLES]).not.toContain(undefined)
})

test('what was set for the C library counts after what the engine sets', () => {
  const { GLIBC_TUNABLES } = engineEnvironment({ GLIBC_TUNABLES: 'glibc.malloc.hugetlb=0' })
  expect(GLIBC_TUNABLES).toBe('glibc.malloc.hugetlb=1:glibc.malloc.hugetlb=0')
})
