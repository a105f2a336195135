#!/bin/sh
# Takes out of node_modules what `npm ci --omit=dev` brings and Sotto does not need on this machine: half of it.
#   npm ci --omit=dev && sh deploy/prune.sh
set -eu
cd "$(dirname "$0")/../node_modules"
if [ -d typescript ]; then
  echo "prune.sh: $PWD has what development needs; run npm ci --omit=dev first" >&2
  exit 1
fi

# ONNX Runtime for other platforms.
cd onnxruntime-node/bin/napi-v6
kept=$(node -p 'process.platform + "/" + process.arch')
for library in */*; do
  [ "$library" = "$kept" ] || rm -rf "$library"
done
cd ../../..

# WebRTC, which node-av can speak, and what that alone needs.
rm -rf werift werift-* mediabunny mp4box @noble @peculiar

# What compilers and debuggers read: headers of Node, types, maps of sources.
rm -rf node-linux-*/include node-bin-*/include node-win-*/include
find . -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -exec rm -f {} +
