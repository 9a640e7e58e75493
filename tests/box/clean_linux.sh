#!/bin/sh
# clean_linux.sh PLACE BOXES-OR-A-FOLDER...: tries boxes where nothing is installed, as an ordinary user without Python.
# Whoever starts it makes the place, tests/box/cleanroom.py or the release workflow: /room holds programs always, and
#   plain    so does /tmp;
#   noexec   /tmp lets no program run;
#   small    /tmp has 20 MB;
#   nowhere  neither /tmp nor /var/tmp lets programs run, and there is no other folder;
#   noproc   there is no /proc, which PyInstaller's boxes do without.
set -eu

place=$1
shift
around=$(mktemp -d "/room/Ящик с разумом.XXXXXX")
trap 'chmod -R u+w "$around" && rm -rf "$around"' EXIT
mkdir "$around/temp" "$around/дом" "$around/чужой дом" "$around/коробки"
chmod 500 "$around/чужой дом"
said="$around/said"

fail() {
  printf 'FAILED: %s\n' "$1" >&2
  cat "$said" "$said.errors" >&2 2> /dev/null || true
  exit 1
}

# expect WHAT COMMAND...: without a terminal it ends well, says something, and never shows a traceback.
expect() {
  what=$1
  shift
  "$@" < /dev/null > "$said" 2> "$said.errors" || fail "$what"
  [ -s "$said" ] || fail "$what: it said nothing"
  if grep -q Traceback "$said" "$said.errors"; then fail "$what: a traceback"; fi
  printf '  %s\n' "$what"
}

# soon WHAT COMMAND...: it holds within a minute.
soon() {
  what=$1
  shift
  for _ in $(seq 300); do
    if "$@"; then return; fi
    sleep 0.2
  done
  fail "$what"
}

spoke() { [ -s "$said.errors" ]; }
gone() { # or a zombie, where nobody is there to bury it
  read -r state 2> /dev/null < "/proc/$1/stat" || return 0
  case ${state##*) } in Z*) return 0 ;; *) return 1 ;; esac
}
nothing_left() {
  for left in "$around/temp"/_MEI* "$around/temp"/mind-in-a-box-[0-9]*; do
    if [ -e "$left" ]; then return 1; fi
  done
}

# killed BOX WHOM: it talks, then `kill -9` takes the outer process, the inner one, or both at once.
killed() {
  rm -f "$around/line" "$said.errors"
  mkfifo "$around/line"
  env -i TMPDIR="$around/temp" HOME="$around/дом" "$1" < "$around/line" > "$said" 2> "$said.errors" &
  outer=$!
  exec 9> "$around/line"
  printf '/stats\n' >&9
  soon "it does not talk" spoke
  read -r inner _ < "/proc/$outer/task/$outer/children" || true # its line has no end
  [ -n "$inner" ] || fail "it has no inner process"
  case $2 in
    outer) kill -9 "$outer" ;;
    inner) kill -9 "$inner" ;;
    both) kill -STOP "$outer" && kill -9 "$inner" "$outer" ;; # or the one that lives longer would tidy up
  esac
  wait "$outer" 2> /dev/null || true
  exec 9>&-
  soon "the other process outlives kill -9 of the $2" gone "$inner"
}

killed_and_swept() {
  for whom in outer inner both; do
    killed "$1" "$whom"
    if [ "$whom" = both ] && nothing_left; then fail "nothing was left to sweep: this check checks nothing"; fi
    (sleep 6 && printf '/quit\n') | env -i TMPDIR="$around/temp" HOME="$around/дом" "$1" > "$said" 2> "$said.errors" \
      || fail "start after kill -9 of $whom"
    soon "kill -9 of $whom: something is left" nothing_left
    printf '  kill -9 of %s, and the next start sweeps\n' "$whom"
  done
}

# The paths have blanks, so the words of an environment stand one by one.
plain() {
  expect "empty environment" env -i "$1" --version
  expect "what the maker saw" env -i TMPDIR="$around/temp" "$1" --selftest --verify
  expect "LANG=C" env -i TMPDIR="$around/temp" HOME="$around/дом" LANG=C LC_ALL=C "$1" --prompt Кот --max-tokens 9
  expect "no HOME" env -i TMPDIR="$around/temp" LANG=ru_RU.UTF-8 "$1" --prompt Кот --max-tokens 9
  expect "read-only HOME" env -i TMPDIR="$around/temp" HOME="$around/чужой дом" "$1" --prompt Кот --max-tokens 9
}

elsewhere() {
  expect "it finds another place by itself" env -i HOME="$around/дом" "$1" --selftest --verify
  expect "TMPDIR elsewhere" env -i TMPDIR="$around/temp" "$1" --version
  nothing_left || fail "something is left in TMPDIR"
}

refuses_in_a_sentence() {
  chmod 500 "$around/коробки" # where the box is, too
  for lang in ru_RU.UTF-8 C; do
    if env -i HOME=/tmp LANG="$lang" "$1" --version < /dev/null > "$said" 2> "$said.errors"; then
      fail "no folder holds programs, and it did not matter: this check checks nothing"
    fi
    grep -q 'TMPDIR=' "$said.errors" || fail "no sentence says what to do"
    [ "$(wc -l < "$said.errors")" -eq 1 ] || fail "more than one sentence"
  done
  printf '  it says what to do, in Russian and English\n'
  expect "which helps" env -i HOME=/tmp TMPDIR="$around/temp" "$1" --version
  chmod 700 "$around/коробки"
}

one_file() {
  box="$around/коробки/коробка"
  cp "$1" "$box"
  chmod +x "$box"
  case $place in
    plain) plain "$box" && killed_and_swept "$box" ;;
    noexec | small) elsewhere "$box" ;;
    nowhere) refuses_in_a_sentence "$box" ;;
    noproc) case $1 in *-nuitka*) printf '  not tried: it needs /proc\n' ;; *) plain "$box" ;; esac ;;
  esac
  rm "$box"
}

folder() {
  tar -xzf "$1" -C "$around"
  box="$around/$(basename "$1" .tar.gz)/mind-in-a-box"
  case $place in
    plain | noproc) plain "$box" ;;
    *) expect "it needs no such folder" env -i "$box" --selftest --verify ;;
  esac
}

is_so() {
  case $place in
    noexec) grep -q ' /tmp .*noexec' /proc/mounts ;;
    nowhere) grep -q ' /tmp .*noexec' /proc/mounts && grep -q ' /var/tmp .*noexec' /proc/mounts ;;
    small) [ "$(df --output=size /tmp | tail -n 1)" -le 20480 ] ;;
    noproc) [ ! -e /proc/self ] ;;
    plain) : ;;
    *) false ;;
  esac
}

is_so || fail "this is not the place that is called $place"
tried=0
for given in "$@"; do
  if [ -d "$given" ]; then set -- "$given"/mind-in-a-box-*; else set -- "$given"; fi
  for each in "$@"; do
    case $each in
      *.json | *.txt | *.html | *.pdf) continue ;;
    esac
    printf '%s, %s\n' "$place" "$(basename "$each")"
    case $each in
      *.tar.gz) folder "$each" ;;
      *) one_file "$each" ;;
    esac
    tried=$((tried + 1))
  done
done
[ "$tried" -gt 0 ] || fail "there is no box in $given"
