#!/usr/bin/env python3
"""Transcribes a recording through Sotto's Async API.

    SOTTO_API_KEY=sotto_... python3 async_whisper.py recording.mp3 [--model openai/whisper-small]

Needs the package `requests`.
"""
import argparse
import os
import pathlib
import sys
import time

import requests


def main():
    arguments = argparse.ArgumentParser(description="Transcribes a recording through Sotto's Async API.")
    arguments.add_argument("recording", type=pathlib.Path)
    arguments.add_argument("--base", default=os.environ.get("SOTTO_BASE", "http://127.0.0.1:8080"))
    arguments.add_argument("--model", default="sotto/whisper-demo")
    arguments.add_argument("--tier", default="cpuflex", choices=["cpuflex", "gpuflex"])
    arguments.add_argument("--language", help="such as en; detected when it is not given")
    options = arguments.parse_args()

    api = requests.Session()
    api.headers["Authorization"] = f"Bearer {os.environ['SOTTO_API_KEY']}"

    extension = options.recording.suffix.lstrip(".")
    place = api.post(f"{options.base}/v1/input/upload-url", params={"extension": extension}, json={})
    place.raise_for_status()
    upload_url = place.json()["uploadUrl"]["PUT"]

    with options.recording.open("rb") as recording:
        requests.put(upload_url, data=recording).raise_for_status()

    submitted = api.post(
        f"{options.base}/v1/async/ent/tiyarofs/1/{options.model}",
        params={"serviceTier": options.tier},
        json={"URL": upload_url, "input": {"language": options.language}},
    )
    submitted.raise_for_status()
    poll_url = submitted.json()["response"]["urls"]["GET"]

    while True:
        job = api.get(poll_url).json()
        if job["status"] == "success":
            print(job["result"]["text"].strip())
            return 0
        if job["status"] in ("failed", "cancelled"):
            print(job.get("error", {}).get("message", job["status"]), file=sys.stderr)
            return 1
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
