#!/usr/bin/env bash
# choose_mind.sh FOLDER [NAME]: copies a mind of assets/, or the manifest's default, into FOLDER, checks it,
# and prints `file=` and `sha256=` for the boxes that will carry the same bytes.
set -euo pipefail
into=$1
default='import tomllib; print(tomllib.load(open("assets/manifest.toml", "rb"))["default"])'
name=$(basename "${2:-$(python3 -c "$default")}")
mkdir -p "$into"
cp "assets/$name" "$into/$name"
python3 -m chat_app "$into/$name" --lang en --verify --selftest >&2
sum='import sys, pathlib; from chat_app.mind import open_mind; print(open_mind(pathlib.Path(sys.argv[1])).sha256)'
echo "file=$name"
echo "sha256=$(python3 -c "$sum" "$into/$name")"
