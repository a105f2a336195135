import type { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { ENGINE_SETTINGS } from '../config/engine.ts'
import type { DeviceReport } from '../contract/device.ts'
import type { CommandContext } from './context.ts'
import { addSettings, givenFlags } from './options.ts'

/** Tries the device in this very process: the server runs this command to find out without being at risk. */
export function addDeviceCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('device')
    .description('Say what models run on here: the GPU that is asked for, or the CPU.')
    .option('--json', 'for programs')
  addSettings(command, [ENGINE_SETTINGS.device]).action(async (options: Readonly<Record<string, unknown>>) => {
    const { engine } = loadConfig(context.environment, givenFlags(options))
    // Loaded here: the native libraries are for those who need them.
    const { reportDevice } = await import('../engine/report-device.ts')
    const report = await reportDevice(engine.device)
    console.log(options['json'] === true ? JSON.stringify(report) : describe(report))
    if ('error' in report) context.exitWith(1)
  })
}

function describe(report: DeviceReport): string {
  if ('error' in report) return report.error.message
  const { name, floats, hasFusedAttention } = report.device
  if (name !== 'webgpu') return name
  const attention = hasFusedAttention ? 'fused attention' : 'attention in parts, since the fused one is wrong here'
  return `${name}: ${floats === 'F16' ? 'float16' : 'float32'}, ${attention}`
}
