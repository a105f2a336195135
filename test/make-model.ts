import process from 'node:process'
import { LAYOUTS, writeRandomModel } from './support/random-model.ts'
import { TENSOR_TYPES } from '../src/speech/weights/safetensors.ts'

const [name = '', folder, wantedType = 'F32', shards = '1'] = process.argv.slice(2)
const layout = Object.entries(LAYOUTS).find(([known]) => known === name)?.[1]
const type = TENSOR_TYPES.find((known) => known === wantedType)
if (layout === undefined || type === undefined || folder === undefined) {
  process.stderr.write(
    `usage: node test/make-model.ts <${Object.keys(LAYOUTS).join('|')}> <folder> [${TENSOR_TYPES.join('|')}] [shards]\n`,
  )
  process.exit(2)
}
await writeRandomModel(folder, layout, { type, shards: Number(shards) })
