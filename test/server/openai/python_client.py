"""OpenAI's own client for Python, of which nothing is changed but the base URL. Prints what came as JSON."""

import json
import sys

import openai

base_url, key, short, spanish, minute = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)
transcribe = client.audio.transcriptions.create


def short_file():
    return open(short, "rb")


def error_of(call):
    try:
        call()
    except openai.APIStatusError as error:
        return {
            "class": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "param": error.param,
            "has_id": error.request_id is not None,
        }
    return None


def verbose(**options):
    with open(spanish, "rb") as file:
        return transcribe(file=file, model="whisper-1", response_format="verbose_json", **options)


with_words = verbose(timestamp_granularities=["word", "segment"])
events = list(transcribe(file=open(minute, "rb"), model="gpt-4o-transcribe", stream=True))
plain = transcribe(file=short_file(), model="whisper-1")
translated = client.audio.translations.create(file=open(spanish, "rb"), model="whisper-1")
print(
    json.dumps(
        {
            "json": plain.text,
            "has_id": plain._request_id is not None,
            "text": transcribe(file=short_file(), model="whisper-1", response_format="text"),
            "srt": transcribe(file=short_file(), model="whisper-1", response_format="srt"),
            "vtt": transcribe(file=short_file(), model="whisper-1", response_format="vtt"),
            "language": with_words.language,
            "segments": len(with_words.segments or []),
            "words": [word.word for word in (with_words.words or [])[:3]],
            "segments_alone": verbose().words is None,
            "extra": transcribe(
                file=short_file(), model="whisper-1", language="en", prompt="A meeting.", temperature=0,
                extra_body={"vad_filter": True, "hotwords": "meeting", "beam_size": 2, "chunking_strategy": {"type": "server_vad"}},
            ).text,
            "deltas": [event.delta for event in events if event.type == "transcript.text.delta"],
            "done": events[-1].text,
            "translation": translated.text,
            "models": [model.id for model in client.models.list()],
            "model": client.models.retrieve("sotto/whisper-demo").id,
            "unknown": error_of(lambda: transcribe(file=short_file(), model="none")),
            "no_media": error_of(lambda: transcribe(file=("x.wav", b"nothing"), model="whisper-1")),
            "forbidden": error_of(lambda: openai.OpenAI(base_url=base_url, api_key="wrong").models.list()),
        }
    )
)
