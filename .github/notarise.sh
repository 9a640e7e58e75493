#!/usr/bin/env bash
# notarise.sh FOLDER: has Apple look at every program in FOLDER. A single program or archive cannot carry the ticket,
# so a friend's Mac asks Apple once, when it is opened first.
set -euo pipefail
account=(--apple-id "$APPLE_ID" --team-id "$APPLE_TEAM" --password "$APPLE_PASSWORD")
answer=$RUNNER_TEMP/notarised.json
told() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$answer" "$1"; }
for box in "$1"/mind-in-a-box-*; do
  case $box in
    *.json | *.txt) continue ;;
    *.zip) sent=$box ;;
    *) sent=$RUNNER_TEMP/$(basename "$box").zip && ditto -c -k "$box" "$sent" ;;
  esac
  xcrun notarytool submit "$sent" "${account[@]}" --wait --output-format json | tee "$answer"
  if [ "$(told status)" != Accepted ]; then # which is no error to notarytool
    xcrun notarytool log "$(told id)" "${account[@]}" >&2
    exit 1
  fi
done
