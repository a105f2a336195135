import type { DeviceChoice } from '../whisper/device.ts'
import { EngineError } from '../whisper/errors.ts'
import { openDevice } from '../whisper/inference/open-device.ts'
import type { DeviceReport } from './find-device.ts'

/** What there is, found out in this very process. */
export async function reportDevice(choice: DeviceChoice): Promise<DeviceReport> {
  try {
    return { device: await openDevice(choice) }
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    return { error: { code: error.code, message: error.message } }
  }
}
