import { listSupportedBackends } from 'onnxruntime-node'
import { CPU } from '../../contract/device.ts'
import type { Device, DeviceChoice } from '../../contract/device.ts'
import { EngineError } from '../errors.ts'
import { hasHalfPrecision, timesFasterThanCpu, trustsFusedAttention } from './device-probe.ts'

/** In the order that `auto` tries them: WebGPU alone keeps the caches on the device. */
const DEVICES = ['webgpu', 'cuda', 'coreml', 'dml'] as const

/**
 * A renderer in software is a device too, and slower than the CPU that it runs on; it has no name that would tell. So `auto` wants
 * a product of matrices to be faster on a device by this factor.
 */
const MIN_SPEED_RATIO = 2

/** What is missing, most likely, and what helps. */
const REMEDIES: Readonly<Record<(typeof DEVICES)[number], string>> = {
  webgpu:
    'It takes a GPU with its driver: for Vulkan on Linux (libvulkan1 and the vendor’s driver), for Direct3D 12 on Windows, for Metal on macOS.',
  cuda:
    'It takes Linux on x64 with CUDA 12, cuDNN 9 and libonnxruntime_providers_cuda.so, which onnxruntime-node’s install script ' +
    'fetches: node node_modules/onnxruntime-node/script/install.js',
  coreml: 'It takes macOS.',
  dml: 'It takes Windows with a DirectX 12 GPU.',
}

/**
 * Finds out whether a device is there and what it can do. A driver may crash: not to be called in a process that has to live.
 * @throws EngineError `device.unavailable` when a device that is asked for by its name does not answer
 */
export async function openDevice(choice: DeviceChoice): Promise<Device> {
  if (choice === 'cpu') return CPU
  if (choice !== 'auto') return await open(choice)
  for (const name of DEVICES) {
    if (!isKnown(name)) continue
    const isWorthIt = await timesFasterThanCpu(name).then(
      (times) => times >= MIN_SPEED_RATIO,
      () => false,
    )
    if (isWorthIt) return await open(name)
  }
  return CPU
}

async function open(name: (typeof DEVICES)[number]): Promise<Device> {
  try {
    if (!isKnown(name))
      throw new Error(`onnxruntime-node has no ${name} provider on ${process.platform} ${process.arch}`)
    const floats = name === 'webgpu' && (await hasHalfPrecision(name)) ? 'F16' : 'F32'
    return { name, floats, hasFusedAttention: await trustsFusedAttention(name, floats) }
  } catch (cause) {
    throw new EngineError('device.unavailable', `The device ${name} does not answer. ${REMEDIES[name]}`, { cause })
  }
}

/** Whether onnxruntime-node was built with it, for this system. */
function isKnown(name: string): boolean {
  return listSupportedBackends().some((backend) => backend.name === name)
}
