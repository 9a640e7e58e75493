#!/bin/bash
# clean_macos.sh FOLDER: tries boxes as macOS sees what came from the internet: signature, quarantine, no environment.
set -euo pipefail

around=$(mktemp -d)/"Ящик с разумом"
mkdir -p "$around/дом" "$around/temp"

try() {
  echo "$1"
  codesign --verify --strict --verbose=2 "$1"
  if codesign --display --verbose=2 "$1" 2>&1 | grep -q 'Authority=Developer ID'; then
    spctl --assess --type execute --verbose=2 "$1" || echo "  not an app, which is all that spctl assesses"
  fi
  xattr -w com.apple.quarantine "0083;$(printf %x "$(date +%s)");Safari;" "$1"
  xattr -d com.apple.quarantine "$1" # as the note to friends says
  for words in "--version" "--selftest --verify" "--prompt Кот --max-tokens 9"; do
    # shellcheck disable=SC2086 # words are words
    said=$(env -i HOME="$around/дом" TMPDIR="$around/temp" "$1" $words < /dev/null 2>&1) ||
      { echo "FAILED: $words: $said" >&2 && exit 1; }
    case $said in
      '' | *Traceback*) echo "FAILED: $words: $said" >&2 && exit 1 ;;
    esac
    echo "  $words"
  done
}

tried=0
for box in "$1"/mind-in-a-box-*; do
  case $box in
    *.json | *.txt | *.html) continue ;;
    *.zip)
      ditto -x -k "$box" "$around"
      try "$around/$(basename "$box" .zip)/mind-in-a-box"
      ;;
    *)
      cp "$box" "$around/коробка"
      chmod +x "$around/коробка"
      try "$around/коробка"
      ;;
  esac
  tried=$((tried + 1))
done
[ "$tried" -gt 0 ] || { echo "There is no box in $1" >&2 && exit 1; }
