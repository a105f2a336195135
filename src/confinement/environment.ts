import process from 'node:process'

/**
 * What a process that opens drivers or recordings may know of the environment: what Node, the C library, ONNX Runtime and the drivers of
 * GPUs read. Nothing that is a secret is among it: it reads files of strangers.
 */
const ALLOWED: ReadonlySet<string> = new Set([
  ...['PATH', 'HOME', 'LANG', 'LANGUAGE', 'TZ', 'TZDIR', 'TMPDIR', 'TMP', 'TEMP'],
  ...[
    'LD_LIBRARY_PATH',
    'LD_PRELOAD',
    'GLIBC_TUNABLES',
    'NODE_OPTIONS',
    'NODE_ENV',
    'NODE_V8_COVERAGE',
    'NODE_COMPILE_CACHE',
  ],
  ...['XDG_CACHE_HOME', 'XDG_CONFIG_DIRS', 'XDG_CONFIG_HOME', 'XDG_DATA_DIRS', 'XDG_DATA_HOME', 'XDG_RUNTIME_DIR'],
  ...['DRI_PRIME', 'DISPLAY', 'WAYLAND_DISPLAY', 'DYLD_LIBRARY_PATH'],
  // Without these no program of Windows gets far.
  ...[
    'SYSTEMROOT',
    'SYSTEMDRIVE',
    'WINDIR',
    'COMSPEC',
    'PATHEXT',
    'APPDATA',
    'LOCALAPPDATA',
    'PROGRAMDATA',
    'USERPROFILE',
  ],
  ...['NUMBER_OF_PROCESSORS', 'PROCESSOR_ARCHITECTURE'],
])
/** Families of variables: locales, memory, ONNX Runtime and OpenMP, CUDA, Vulkan and Mesa, ROCm, Level Zero. */
const ALLOWED_FAMILIES =
  /^(?:LC|MALLOC|ORT|OMP|KMP|CUDA|NVIDIA|CUDNN|VK|MESA|LIBGL|GALLIUM|LP|EGL|RADV|AMD|ANV|INTEL|HIP|HSA|ROCR|ZE|DAWN|__GLX?|__EGL)_/
/** A name like one of those, and all the same none of their business. */
const SECRET = /KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL/

/** One pool of memory instead of one a thread, and what is free goes back at once: another 30 MB less. */
export const FRUGAL_MEMORY = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' }

/** What such a process gets of the server’s own environment. */
export function harmlessEnvironment(given: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const isAllowed = (name: string): boolean => (ALLOWED.has(name) || ALLOWED_FAMILIES.test(name)) && !SECRET.test(name)
  return Object.fromEntries(Object.entries(given).filter(([name]) => isAllowed(name.toUpperCase())))
}
