import { existsSync } from 'node:fs'

/** SwiftShader, Vulkan in software, as Debian's `chromium` brings it; `libvulkan1` finds it by the variable. */
const DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json'

/** Has to be there before a process starts. */
export const SOFTWARE_GPU = { VK_DRIVER_FILES: DRIVER, SOTTO_DEVICE: 'webgpu' } as const

export const hasSoftwareGpu = existsSync(DRIVER)

/** For the name of what is skipped without it. */
export const NEEDS_SOFTWARE_GPU = hasSoftwareGpu ? '' : ' (skipped: needs Debian’s chromium and libvulkan1)'
