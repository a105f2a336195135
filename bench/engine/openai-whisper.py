"""Transcribes a recording with openai/whisper and prints how long it took, for bench/engine/openai-whisper.ts.

The model is a folder in the Hugging Face layout. Its vocabulary is not one of those that come with the package, so the
tokenizer is made from the folder's tokenizer.json; everything else is the package's own.
"""

import json
import resource
import sys
import time
import wave
from pathlib import Path

import numpy as np
import tiktoken
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

SPLIT = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

# The Hugging Face names and this package's; the longer ones come first, since the shorter are within them.
NAMES = {
    "self_attn_layer_norm": "attn_ln",
    "encoder_attn_layer_norm": "cross_attn_ln",
    "final_layer_norm": "mlp_ln",
    "self_attn": "attn",
    "encoder_attn": "cross_attn",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "out_proj": "out",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "layers": "blocks",
    "encoder.layer_norm": "encoder.ln_post",
    "decoder.layer_norm": "decoder.ln",
    "embed_tokens": "token_embedding",
    "embed_positions.weight": "positional_embedding",
}

TYPES = {"F16": np.float16, "F32": np.float32}


def byte_of_character():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(0x100 + index): byte for index, byte in enumerate(others)})
    return table


def read_encoding(folder):
    file = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    special = {token["content"]: token["id"] for token in file["added_tokens"]}
    of = byte_of_character()
    ranks = {
        bytes(of[character] for character in entry): rank
        for entry, rank in file["model"]["vocab"].items()
        if entry not in special
    }
    return tiktoken.Encoding(name="model", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens=special)


def read_weights(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    for name, tensor in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__" or name.startswith("proj_out"):
            continue
        begin, end = (8 + length + offset for offset in tensor["data_offsets"])
        values = np.frombuffer(data[begin:end], TYPES[tensor["dtype"]]).reshape(tensor["shape"])
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        yield name.removeprefix("model."), torch.from_numpy(values.astype(np.float32))


def load(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    model = Whisper(
        ModelDimensions(
            n_mels=config["num_mel_bins"],
            n_audio_ctx=config["max_source_positions"],
            n_audio_state=config["d_model"],
            n_audio_head=config["encoder_attention_heads"],
            n_audio_layer=config["encoder_layers"],
            n_vocab=config["vocab_size"],
            n_text_ctx=config["max_target_positions"],
            n_text_state=config["d_model"],
            n_text_head=config["decoder_attention_heads"],
            n_text_layer=config["decoder_layers"],
        )
    )
    model.load_state_dict(dict(read_weights(folder / "model.safetensors")))
    encoding = read_encoding(folder)
    whisper.tokenizer.get_encoding = lambda *_, **__: encoding
    return model.eval()


def read_wav(path):
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def main():
    request = json.loads(sys.argv[1])
    torch.set_num_threads(request["threads"])
    model = load(Path(request["model"]))
    options = {**request["options"], "fp16": False, "verbose": None}
    whisper.transcribe(model, read_wav(request["second"]), **options)

    audio = read_wav(request["audio"])
    start = time.perf_counter()
    result = whisper.transcribe(model, audio, **options)
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    versions = f"openai/whisper {whisper.__version__}, torch {torch.__version__}"
    print(json.dumps({"seconds": seconds, "text": result["text"], "peakMb": peak_mb, "versions": versions}))


if __name__ == "__main__":
    main()
