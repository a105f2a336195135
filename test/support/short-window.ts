import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PROJECT } from './server.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
const POSITIONS = 'model.encoder.embed_positions.weight'

type Header = Record<
  string,
  { readonly dtype: string; readonly shape: number[]; readonly data_offsets: [number, number] }
>

/**
 * The demo model with a window of a few seconds instead of 30, for devices on which the encoder takes a minute: its attention
 * grows with the square of the window.
 * @param positions of the encoder, 50 a second
 */
export async function writeShortWindowDemo(folder: string, positions: number): Promise<void> {
  await cp(DEMO, folder, { recursive: true })
  const config = JSON.parse(await readFile(join(DEMO, 'config.json'), 'utf8')) as Record<string, unknown>
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, max_source_positions: positions }))

  const weights = await readFile(join(DEMO, 'model.safetensors'))
  const begin = 8 + Number(weights.readBigUInt64LE(0))
  const header = JSON.parse(weights.subarray(8, begin).toString()) as Header
  const table = header[POSITIONS]
  if (table === undefined) throw new Error(`the demo model has no ${POSITIONS}`)
  const [rows = 0, width = 0] = table.shape
  const [from, to] = table.data_offsets
  const kept = from + ((to - from) / rows) * positions
  const all = Object.entries(header).filter(([name]) => name !== '__metadata__' && name !== POSITIONS)
  const cut = to - kept
  const moved = all.map(([name, tensor]) => {
    const [start, end] = tensor.data_offsets
    return [name, { ...tensor, data_offsets: start >= to ? [start - cut, end - cut] : [start, end] }] as const
  })
  const json = Buffer.from(
    JSON.stringify({
      ...Object.fromEntries(moved),
      [POSITIONS]: { ...table, shape: [positions, width], data_offsets: [from, kept] },
    }),
  )
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const data = weights.subarray(begin)
  await writeFile(
    join(folder, 'model.safetensors'),
    Buffer.concat([length, json, data.subarray(0, kept), data.subarray(to)]),
  )
}

/** The demo model with one layer of its encoder's three, for the same devices where the window has to be whole: its texts are others. */
export async function writeShallowDemo(folder: string): Promise<void> {
  await cp(DEMO, folder, { recursive: true })
  const config = JSON.parse(await readFile(join(DEMO, 'config.json'), 'utf8')) as Record<string, unknown>
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, encoder_layers: 1 }))
}
