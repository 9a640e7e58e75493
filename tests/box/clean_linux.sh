#!/bin/sh
# clean_linux.sh FOLDER-OR-BOX: tries boxes where nothing is installed, best as an ordinary user. Needs no Python.
# Where /forbidden is mounted noexec, it plays the /tmp that lets no program run.
set -eu

base=${TMPDIR:-/tmp}
around=$(mktemp -d "$base/Ящик с разумом.XXXXXX")
trap 'chmod -R u+w "$around" && rm -rf "$around"' EXIT
mkdir "$around/temp" "$around/дом" "$around/чужой дом"
chmod 500 "$around/чужой дом"
tab="$around/said"

fail() {
  printf 'FAILED: %s\n' "$1" >&2
  cat "$tab" "$tab.errors" >&2 || true
  exit 1
}

# expect WHAT COMMAND...: it ends well, says something, and never shows a traceback.
expect() {
  what=$1
  shift
  "$@" < /dev/null > "$tab" 2> "$tab.errors" || fail "$what"
  [ -s "$tab" ] || fail "$what: it said nothing"
  if grep -q Traceback "$tab" "$tab.errors"; then fail "$what: a traceback"; fi
  printf '  %s\n' "$what"
}

killed_and_swept() {
  mkfifo "$around/line"
  env -i TMPDIR="$around/temp" HOME="$around/дом" "$1" < "$around/line" > "$tab" 2> "$tab.errors" &
  outer=$!
  exec 9> "$around/line"
  printf '/stats\n' >&9
  sleep 5
  kill -9 "$outer"
  exec 9>&-
  wait "$outer" 2> /dev/null || true
  (sleep 6 && printf '/quit\n') | env -i TMPDIR="$around/temp" HOME="$around/дом" "$1" > "$tab" 2> "$tab.errors" || fail "start after kill -9"
  # Conversations that had no HOME are kept there, too, in a folder without a number.
  for left in "$around/temp"/_MEI* "$around/temp"/mind-in-a-box-*; do
    [ ! -e "$left" ] || fail "kill -9: $left was left"
  done
  rm "$around/line"
  printf '  kill -9, and the next start sweeps\n'
}

try() {
  box=$1
  printf '%s\n' "$box"
  # The paths have blanks, so the words of an environment stand one by one.
  expect "empty environment" env -i "$box" --version
  expect "what the maker saw" env -i TMPDIR="$around/temp" "$box" --selftest --verify
  expect "LANG=C" env -i TMPDIR="$around/temp" HOME="$around/дом" LANG=C LC_ALL=C "$box" --prompt Кот --max-tokens 9
  expect "no HOME" env -i TMPDIR="$around/temp" LANG=ru_RU.UTF-8 "$box" --prompt Кот --max-tokens 9
  expect "read-only HOME" env -i TMPDIR="$around/temp" HOME="$around/чужой дом" "$box" --prompt Кот --max-tokens 9
}

noexec() {
  grep -q ' /forbidden .*noexec' /proc/mounts || return 0
  if env -i TMPDIR=/forbidden "$1" --version < /dev/null > "$tab" 2> "$tab.errors"; then
    fail "a noexec TMPDIR did not matter: this check checks nothing"
  fi
  if grep -q Traceback "$tab" "$tab.errors"; then fail "noexec: a traceback"; fi
  expect "noexec /tmp, TMPDIR elsewhere" env -i TMPDIR="$around/temp" "$1" --version
}

one_file() {
  cp "$1" "$around/коробка"
  chmod +x "$around/коробка"
  try "$around/коробка"
  noexec "$around/коробка"
  killed_and_swept "$around/коробка"
  rm "$around/коробка"
}

folder() {
  tar -xzf "$1" -C "$around"
  try "$around/$(basename "$1" .tar.gz)/mind-in-a-box"
}

given() {
  case $1 in
    *.tar.gz) folder "$1" ;;
    *.json | *.txt | *.html | */SHA256SUMS) ;;
    *) one_file "$1" ;;
  esac
}

if [ -d "$1" ]; then
  for each in "$1"/mind-in-a-box-*; do given "$each"; done
else
  given "$1"
fi
