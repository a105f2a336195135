/** Samples without a header, as FFmpeg's demuxer of this name reads them. */
export interface RawFormat {
  readonly demuxer: string
  readonly options: { readonly sample_rate: number; readonly ch_layout: string }
}

const PCM: Readonly<Record<number, string>> = { 8: 'u8', 16: 's16le', 24: 's24le', 32: 's32le' }
const FLOAT: Readonly<Record<number, string>> = { 32: 'f32le', 64: 'f64le' }
const BY_TAG: ReadonlyMap<number, Readonly<Record<number, string>>> = new Map([
  [1, PCM],
  [3, FLOAT],
  [6, { 8: 'alaw' }],
  [7, { 8: 'mulaw' }],
])
/** `WAVE_FORMAT_EXTENSIBLE`: the tag stands at the beginning of the sub-format. */
const EXTENSIBLE = 0xfffe

/** @param format the content of a WAV's `fmt ` chunk; undefined when it is compressed, or none */
export function rawFormatOf(format: Buffer): RawFormat | undefined {
  if (format.length < 16) return undefined
  const given = format.readUInt16LE(0)
  const isExtensible = given === EXTENSIBLE && format.length >= 26
  const channels = format.readUInt16LE(2)
  const bits = format.readUInt16LE(14)
  const demuxer = BY_TAG.get(isExtensible ? format.readUInt16LE(24) : given)?.[bits]
  const isPlain = format.readUInt16LE(12) === (channels * bits) / 8
  if (demuxer === undefined || !isPlain || channels === 0) return undefined
  const mask = isExtensible ? format.readUInt32LE(20) : 0
  const layout = mask === 0 ? `${channels} channels` : `0x${mask.toString(16)}`
  return { demuxer, options: { sample_rate: format.readUInt32LE(4), ch_layout: layout } }
}
