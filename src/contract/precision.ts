export const PRECISIONS = ['auto', 'f32', 'q8', 'q4', 'f16'] as const
/**
 * How the weights of linear layers are kept and multiplied: `f32` as they are; `q8` in 8-bit integer arithmetic; `q4` with four bits in
 * the decoder and eight in the encoder; `f16` in 16-bit floats where a device has them, elsewhere as `f32`; `auto` with what is fastest
 * among what leaves the words as they are.
 */
export type Precision = (typeof PRECISIONS)[number]
