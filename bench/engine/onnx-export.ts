import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readWhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import type { Dimensions } from '../../src/models/whisper/weights/whisper-weights.ts'
import { Constants, Scope, writeModel } from './onnx-graph.ts'
import type { Outputs } from './onnx-graph.ts'
import { OnnxLayers } from './onnx-layers.ts'
import type { Tensors } from './onnx-layers.ts'
import { linear } from './onnx-linear.ts'
import type { Dtype } from './onnx-linear.ts'
import { readTensor } from './tensors.ts'

/** What the names of the files end with. */
const SUFFIXES: Readonly<Record<Dtype, string>> = { fp32: '', q8: '_quantized', q4: '_q4' }

const DESCRIPTIONS = ['config', 'generation_config', 'preprocessor_config', 'tokenizer', 'tokenizer_config']

/**
 * Writes a model for Transformers.js, as graphs with the inputs and outputs of the exports that are published for it: an
 * encoder, and a decoder whose `use_cache_branch` chooses between a first step, which makes the keys and values of the
 * cross-attention, and a later one, which is given them with all others.
 */
export async function writeOnnxExport(folder: string, modelFolder: string): Promise<void> {
  await mkdir(join(folder, 'onnx'), { recursive: true })
  for (const name of DESCRIPTIONS) await cp(join(modelFolder, `${name}.json`), join(folder, `${name}.json`))
  const weights = await readWhisperWeights(modelFolder)
  const tensors = new Map<string, Awaited<ReturnType<typeof readTensor>>>()
  for (const name of weights.tensors.keys()) tensors.set(name, await readTensor(weights, name))
  for (const dtype of Object.keys(SUFFIXES) as Dtype[]) {
    const path = (name: string): string => join(folder, 'onnx', `${name}${SUFFIXES[dtype]}.onnx`)
    await writeModel(path('encoder_model'), encoder(tensors, weights.dimensions, dtype))
    await writeModel(path('decoder_model_merged'), decoder(tensors, weights.dimensions, dtype))
  }
}

function encoder(tensors: Tensors, sizes: Dimensions, dtype: Dtype): Scope {
  const graph = new Scope(new Constants())
  const layers = new OnnxLayers(graph, tensors, linear(dtype), sizes, sizes.nAudioHead)
  const features = graph.input('input_features', 'F32', ['batch_size', sizes.nMels, 2 * sizes.nAudioCtx])
  const convolve = (input: string, name: string, stride: number): string => {
    const inputs = [input, layers.constant(`encoder.${name}.weight`), layers.constant(`encoder.${name}.bias`)]
    return graph.contrib('Gelu', [graph.node('Conv', inputs, { kernel_shape: [3], pads: [1, 1], strides: [stride] })])
  }
  const convolved = convolve(convolve(features, 'conv1', 1), 'conv2', 2)
  const positions = layers.constant('encoder.embed_positions.weight')
  let x = layers.add(graph.node('Transpose', [convolved], { perm: [0, 2, 1] }), positions)
  for (let layer = 0; layer < sizes.nAudioLayer; layer++) {
    const name = `encoder.layers.${layer}`
    const attention = `${name}.self_attn`
    const normed = layers.layerNorm(x, `${attention}_layer_norm`)
    const [q, k, v] = [
      layers.queries(normed, attention),
      layers.keys(normed, attention),
      layers.values(normed, attention),
    ]
    x = layers.add(x, layers.attend(q, k, v, attention))
    x = layers.add(x, layers.mlp(layers.layerNorm(x, `${name}.final_layer_norm`), name))
  }
  graph.output('last_hidden_state', layers.layerNorm(x, 'encoder.layer_norm'), [
    'batch_size',
    sizes.nAudioCtx,
    sizes.nState,
  ])
  return graph
}

function decoder(tensors: Tensors, sizes: Dimensions, dtype: Dtype): Scope {
  const graph = new Scope(new Constants())
  graph.input('input_ids', 'I64', ['batch_size', 'decoder_sequence_length'])
  graph.input('encoder_hidden_states', 'F32', ['batch_size', 'encoder_sequence_length / 2', sizes.nState])
  for (const name of cacheNames(sizes)) {
    graph.input(`past_key_values.${name}`, 'F32', cacheShape(sizes, name, 'past'))
  }
  const condition = graph.input('use_cache_branch', 'BOOL', [1])
  const product = linear(dtype)
  const branch = (prefix: string, isLater: boolean): Scope => {
    const scope = new Scope(graph.constants, prefix)
    decoderBranch(scope, new OnnxLayers(scope, tensors, product, sizes, sizes.nTextHead), sizes, isLater)
    return scope
  }
  graph.choose(condition, branch('later_', true), branch('first_', false), outputsOf(sizes))
  return graph
}

function decoderBranch(scope: Scope, layers: OnnxLayers, sizes: Dimensions, isLater: boolean): void {
  const { constants } = scope
  const [zero, one] = [constants.integers(0), constants.integers(1)]
  const length = scope.node('Shape', ['input_ids'], { start: 1, end: 2 })
  const past = isLater ? scope.node('Shape', ['past_key_values.0.decoder.key'], { start: 2, end: 3 }) : zero
  const positions = scope.node('Slice', [
    ...[layers.constant('decoder.embed_positions.weight'), past, scope.node('Add', [past, length]), zero],
  ])
  const embedded = scope.node('Gather', [layers.constant('decoder.embed_tokens.weight'), 'input_ids'])
  const mask = isLater ? undefined : causalMask(scope, length, one)
  const caches = new Map<string, string>()
  let x = layers.add(embedded, positions)
  for (let layer = 0; layer < sizes.nTextLayer; layer++) {
    const name = `decoder.layers.${layer}`
    const attention = `${name}.self_attn`
    const normed = layers.layerNorm(x, `${attention}_layer_norm`)
    const longer = (part: string, value: string): string =>
      isLater ? scope.node('Concat', [`past_key_values.${layer}.decoder.${part}`, value], { axis: 2 }) : value
    const queries = layers.queries(normed, attention)
    const keys = longer('key', layers.keys(normed, attention))
    const values = longer('value', layers.values(normed, attention))
    x = layers.add(x, layers.attend(queries, keys, values, attention, mask))

    const cross = `${name}.encoder_attn`
    const crossQueries = layers.queries(layers.layerNorm(x, `${cross}_layer_norm`), cross)
    const given = (part: string, make: () => string): string =>
      isLater ? `past_key_values.${layer}.encoder.${part}` : make()
    const crossKeys = given('key', () => layers.keys('encoder_hidden_states', cross))
    const crossValues = given('value', () => layers.values('encoder_hidden_states', cross))
    x = layers.add(x, layers.attend(crossQueries, crossKeys, crossValues, cross))
    x = layers.add(x, layers.mlp(layers.layerNorm(x, `${name}.final_layer_norm`), name))

    caches.set(`present.${layer}.decoder.key`, keys).set(`present.${layer}.decoder.value`, values)
    // Who calls keeps what it has; copies of it would only cost time.
    const empty = (): string => emptyCache(scope, sizes)
    caches.set(`present.${layer}.encoder.key`, isLater ? empty() : crossKeys)
    caches.set(`present.${layer}.encoder.value`, isLater ? empty() : crossValues)
  }
  const logits = layers.multiply(layers.layerNorm(x, 'decoder.layer_norm'), 'decoder.embed_tokens.weight')
  for (const [name, shape] of outputsOf(sizes)) scope.output(name, caches.get(name) ?? logits, shape)
}

/** [length, length]: what is added to the scores, so that no token sees a later one. */
function causalMask(scope: Scope, length: string, one: string): string {
  const shape = scope.node('Concat', [length, length], { axis: 0 })
  const lowest = scope.node('Expand', [scope.constants.scalar(-1e9), shape])
  const diagonal = scope.node('Squeeze', [one])
  return scope.node('Trilu', [lowest, diagonal], { upper: 1 })
}

function emptyCache(scope: Scope, { nState, nTextHead }: Dimensions): string {
  const shape = scope.constants.integers(0, nTextHead, 1, nState / nTextHead)
  return scope.node('Expand', [scope.constants.add('nothing', 'F32', [0, 1, 1, 1], new Float32Array()), shape])
}

function outputsOf(sizes: Dimensions): Outputs {
  const caches = cacheNames(sizes).map((name) => [`present.${name}`, cacheShape(sizes, name, 'present')] as const)
  return [['logits', ['batch_size', 'decoder_sequence_length', sizes.nVocab]], ...caches]
}

function cacheNames({ nTextLayer }: Dimensions): readonly string[] {
  const parts = ['decoder.key', 'decoder.value', 'encoder.key', 'encoder.value']
  return Array.from({ length: nTextLayer }, (_, layer) => parts.map((part) => `${layer}.${part}`)).flat()
}

function cacheShape(sizes: Dimensions, name: string, when: 'past' | 'present'): readonly (number | string)[] {
  const length = name.includes('encoder') ? 'encoder_sequence_length_out' : `${when}_decoder_sequence_length`
  const batch = when === 'past' ? 'batch_size' : `${name.includes('encoder') ? 'encoder_' : ''}batch_size`
  return [batch, sizes.nTextHead, length, sizes.nState / sizes.nTextHead]
}
