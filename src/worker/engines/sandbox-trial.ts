// What a trial of the sandbox runs: it loads the packages that an engine needs, with their native libraries, and ends. The engine's own
// modules would take each start of the server half a second more, and lie beside this one.
await Promise.all([import('node-av/lib'), import('onnxruntime-node'), import('@huggingface/tokenizers')])
