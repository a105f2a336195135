import type { DeviceChoice, DeviceReport } from '../contract/device.ts'
import { EngineError } from '../speech/errors.ts'
import { openDevice } from '../speech/inference/open-device.ts'

/** What there is, found out in this very process. */
export async function reportDevice(choice: DeviceChoice): Promise<DeviceReport> {
  try {
    return { device: await openDevice(choice) }
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    return { error: { code: error.code, message: error.message } }
  }
}
