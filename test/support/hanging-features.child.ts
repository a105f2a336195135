import { parentPort } from 'node:worker_threads'

/** In place of the thread that reads recordings: one that never comes back from a native call. */
parentPort?.on('message', () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
