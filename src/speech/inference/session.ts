import { InferenceSession } from 'onnxruntime-node'
import { EngineError } from '../errors.ts'
import type { DeviceName } from '../../contract/device.ts'
import type { BuiltGraph } from '../graph/graph-builder.ts'
import { nativeCalls } from './native-calls.ts'

/**
 * Threads wait for each other in loops while a graph runs, and stop when it is done: those of the encoder would take the cores from the
 * decoder, and the other way round, for a quarter of the time of a small model.
 */
const SESSION_CONFIG = { force_spinning_stop: '1' }

/**
 * Without memory patterns, which plan one block for each combination of shapes: the decoder meets a new one every few steps, and the
 * encoder takes no longer (small: 60 MB less).
 * @param provider what runs the graph, but for what it can't do, which the CPU does
 * @throws EngineError `engine.load_failed`
 */
export async function createSession(
  graph: BuiltGraph,
  threads: number,
  provider: DeviceName = 'cpu',
): Promise<InferenceSession> {
  const session = await openSession(graph, threads, provider)
  const run = session.run.bind(session) as (...args: readonly unknown[]) => ReturnType<InferenceSession['run']>
  session.run = async (...args: readonly unknown[]) => await nativeCalls.track(run(...args))
  return session
}

async function openSession(graph: BuiltGraph, threads: number, provider: DeviceName): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(graph.model, {
      executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      enableMemPattern: false,
      logSeverityLevel: 3,
      extra: { session: { model_external_initializers_file_folder_path: graph.weightsFolder, ...SESSION_CONFIG } },
    })
  } catch (cause) {
    // It says why in words alone. The graph is of our making and fits the weights, which were looked at before: what is left is what the
    // machine lacks, such as memory or file descriptors.
    throw new EngineError(
      'engine.load_failed',
      'ONNX Runtime couldn’t load the model here. The server’s log says why; it may lack memory.',
      { cause },
    )
  }
}
