import process from 'node:process'

/**
 * What an engine process may know of the environment: what Node, the C library, ONNX Runtime and the drivers of GPUs read. Nothing that
 * is a secret is among it: the process reads files of strangers.
 */
const ALLOWED: ReadonlySet<string> = new Set([
  ...['PATH', 'HOME', 'LANG', 'LANGUAGE', 'TZ', 'TZDIR', 'TMPDIR', 'TMP', 'TEMP'],
  ...['LD_LIBRARY_PATH', 'LD_PRELOAD', 'GLIBC_TUNABLES', 'NODE_OPTIONS', 'NODE_ENV', 'NODE_V8_COVERAGE'],
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
const MEMORY = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' }
/**
 * Where the kernel leaves huge pages to programs: a step, which reads far more than the processor's tables of small pages cover, takes
 * a tenth less.
 */
const HUGE_PAGES = 'glibc.malloc.hugetlb=1'

/** The environment of a process that opens drivers or recordings: what it needs of the server's own. */
export function harmlessEnvironment(given: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const isAllowed = (name: string): boolean => (ALLOWED.has(name) || ALLOWED_FAMILIES.test(name)) && !SECRET.test(name)
  return Object.fromEntries(Object.entries(given).filter(([name]) => isAllowed(name.toUpperCase())))
}

/** The environment of an engine process. What it adds is for glibc; others take no notice. */
export function engineEnvironment(from: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const { GLIBC_TUNABLES: given, ...rest } = harmlessEnvironment(from)
  // What is said last counts: what was set for this program.
  return { ...rest, ...MEMORY, GLIBC_TUNABLES: given === undefined ? HUGE_PAGES : `${HUGE_PAGES}:${given}` }
}
