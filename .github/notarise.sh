#!/usr/bin/env bash
# notarise.sh FOLDER: has Apple look at every program in FOLDER. A single program or archive cannot carry the ticket,
# so a friend's Mac asks Apple once, when it is opened first.
set -euo pipefail
for box in "$1"/mind-in-a-box-*; do
  case $box in
    *.json | *.txt) continue ;;
    *.zip) sent=$box ;;
    *) sent=$RUNNER_TEMP/$(basename "$box").zip && ditto -c -k "$box" "$sent" ;;
  esac
  xcrun notarytool submit "$sent" --apple-id "$APPLE_ID" --team-id "$APPLE_TEAM" --password "$APPLE_PASSWORD" --wait
done
