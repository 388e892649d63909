#!/bin/sh
# census.sh: examples/census agrees with find, wc and sha256sum: on a copy of this checkout,
# on /usr/include, and on a made tree with everything that is awkward.
# Exit: 0 passed, 77 skipped (the last line says why), else failed.
set -u
LC_ALL=C
export LC_ALL
CC=${CC:-cc}
INC=${ECS_INC:-.} # where ecs.h is
SRC=examples/census/census.c

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ecs-census.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$tmp" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$tmp" # another user runs census in it below

skipped=""
skip() { skipped="$skipped; $*"; }
fail() {
    echo "census.sh: $*"
    exit 1
}

build() { # build PROGRAM FLAGS...
    program=$1
    shift
    # shellcheck disable=SC2086
    $CC -std=c11 -O2 -I"$INC" "$SRC" -o "$program" "$@" >"$tmp/log" 2>&1 || {
        cat "$tmp/log"
        fail "$CC $* does not compile"
    }
}

build "$tmp/plain"
openssl=no
echo '#include <openssl/evp.h>' >"$tmp/probe.c"
# shellcheck disable=SC2086
if $CC -E "$tmp/probe.c" >/dev/null 2>&1; then
    build "$tmp/sha" -DCENSUS_OPENSSL -lcrypto
    openssl=yes
else
    skip "SHA-256: no openssl/evp.h"
fi
if command -v sha256sum >/dev/null 2>&1; then
    sha="sha256sum"
elif command -v shasum >/dev/null 2>&1; then
    sha="shasum -a 256"
else
    sha=""
    skip "digests: no sha256sum"
fi

# Whether bytes that cannot be printed begin words depends on the age of wc.
words=printable
[ "$(printf '\001' | wc -w)" -eq 0 ] || words=text

value() { sed -n "s/^$1 //p" "$tmp/totals"; }
expect() { # expect NAME NUMBER WHERE
    [ "$(value "$1")" = "$2" ] || fail "$3: $1 is $(value "$1"), not $2"
}

# totals PROGRAM DIRECTORY
totals() {
    "$1" --totals --words $words "$2" >"$tmp/totals" 2>"$tmp/err" ||
        fail "$1 fails on $2: $(cat "$tmp/err")"
}

# Digests of all files, as census --list and sha256sum print them.
digests_compare() {
    [ $openssl = yes ] && [ -n "$sha" ] || return 0
    "$tmp/sha" --list "$1" >"$tmp/list" || fail "--list fails on $1"
    sort "$tmp/list" >"$tmp/have"
    find "$1" -type f -exec $sha {} + | sort >"$tmp/want"
    cmp -s "$tmp/want" "$tmp/have" || {
        diff "$tmp/want" "$tmp/have" | head -5
        fail "digests differ in $1"
    }
    grep -v '^\\' "$tmp/list" | cut -c67- | sort -c || fail "the list of $1 is not sorted"
}

# A tree whose names hold no line ends: all files in few runs of wc.
tree_compare() {
    find "$1" -type f -exec wc -lwc {} + | awk -v dir="$1" '
        NF == 4 && $4 == "total" { next }
        { lines += $1; words += $2; bytes += $3 }
        END { printf "%.0f %.0f %.0f\n", lines, words, bytes }' >"$tmp/wc"
    read -r lines wc_words bytes <"$tmp/wc"
    files=$(find "$1" -type f | wc -l | tr -d ' ')
    directories=$(find "$1" -type d | wc -l | tr -d ' ')
    for program in "$tmp/plain" "$tmp/sha"; do
        [ -x "$program" ] || continue
        totals "$program" "$1"
        expect files "$files" "$1"
        expect directories "$directories" "$1"
        expect lines "$lines" "$1"
        expect words "$wc_words" "$1"
        expect bytes "$bytes" "$1"
        expect unread_files 0 "$1"
        expect unread_directories 0 "$1"
    done
    digests_compare "$1"
    echo "census.sh: $1: $files files, $lines lines, $wc_words words, $bytes bytes agree"
}

# ---- This checkout: a copy, because a build may be running in it -------------------------
mkdir "$tmp/checkout"
for entry in * .git .ci .gitignore; do
    [ -e "$entry" ] && [ "$entry" != build ] && cp -RP "$entry" "$tmp/checkout/" 2>/dev/null
done
tree_compare "$tmp/checkout"
# From the inside: the default directory is the current one.
(cd "$tmp/checkout" && "$tmp/plain" --totals --words $words) >"$tmp/here" || fail "no default"
totals "$tmp/plain" "$tmp/checkout"
cmp -s "$tmp/here" "$tmp/totals" || fail "the default directory has other totals"

# ---- System headers ------------------------------------------------------------------------
if [ -d /usr/include ]; then
    tree_compare /usr/include
else
    skip "no /usr/include"
fi

# ---- Binary files: where the definition of a word shows --------------------------------------
mkdir "$tmp/binary"
for name in sh find wc sort awk; do
    file=$(command -v $name) && [ -f "$file" ] && cp "$file" "$tmp/binary/"
done
byte=0
while [ $byte -lt 256 ]; do
    octal=$(printf '%03o' $byte)
    # shellcheck disable=SC2059
    printf "a\\${octal}b \\${octal} \\${octal}a b\\${octal} \\${octal}\\${octal}\\n\\${octal}" \
        >"$tmp/binary/$octal"
    cat "$tmp/binary/$octal" >>"$tmp/binary/all"
    byte=$((byte + 1))
done
tree_compare "$tmp/binary"

# ---- Slices: words, lines and ends of files around multiples of 65,536 bytes --------------------
mkdir "$tmp/slices"
awk 'BEGIN { for (i = 0; i < 40000; i++) printf "w%d%s", i, i % 7 ? " " : "\n" }' >"$tmp/text"
for bytes in 1 65535 65536 65537 131071 131072 131073 200000; do
    dd if="$tmp/text" of="$tmp/slices/$bytes" bs=$bytes count=1 2>/dev/null
    [ "$(wc -c <"$tmp/slices/$bytes")" -eq $bytes ] || fail "dd made a wrong file"
    tr -d '\n ' <"$tmp/slices/$bytes" >"$tmp/slices/$bytes.word" # one word over all slices
done
tree_compare "$tmp/slices"
# Limits of one open file and one directory change nothing that is counted.
build "$tmp/small" -DOPEN_FILES_MAX=1u -DDIRECTORIES_MAX=1u
"$tmp/plain" --totals "$tmp/slices" >"$tmp/want" || fail "slices"
"$tmp/small" --totals "$tmp/slices" >"$tmp/have" || fail "slices with one open file"
cmp -s "$tmp/want" "$tmp/have" || fail "one open file at a time gives other totals"

# Few files for the process: it waits for its own files instead of giving up on others.
(ulimit -n 16 && "$tmp/plain" --totals "$tmp/binary") >"$tmp/have" 2>"$tmp/err" ||
    fail "16 files are too few: $(cat "$tmp/err")"
"$tmp/plain" --totals "$tmp/binary" >"$tmp/want" || fail "binary"
cmp -s "$tmp/want" "$tmp/have" || fail "with 16 files for the process: other totals"

# ---- An awkward tree ---------------------------------------------------------------------------
tree=$tmp/tree
mkdir -p "$tree/with space/-dash" "$tree/other"
: >"$tree/empty"
: >"$tree/other/empty too"
printf 'one two\nthree' >"$tree/no line end"
printf 'one two\nthree' >"$tree/other/copy.txt"
printf 'one two\nthree' >"$tree/with space/-dash/-copy.txt"
printf 'one two\nthree' >"$tree/$(printf 'a\033[31m')" # first by name; a colour on terminals
printf 'same' >"$tree/same.a"
printf 'same' >"$tree/.same.b"
printf 'x\n' >"$tree/line
end"
printf 'y\n' >"$tree/back\\slash"
printf 'z\n' >"$tree/quote's \"\$(name)*"
printf 'u\n' >"$tree/$(printf '\303\274.\377')" 2>/dev/null || :
printf '\000\001\002 \377\n' >"$tree/binary.bin"
ln -s "no line end" "$tree/link"
ln -s other "$tree/link to directory"
ln -s . "$tree/loop"
ln -s nowhere "$tree/dangling"
ln "$tree/same.a" "$tree/hard" 2>/dev/null || cp "$tree/same.a" "$tree/hard"
mkfifo "$tree/fifo" 2>/dev/null || : # must not be waited for
path=$tree
level=0
while [ $level -lt 150 ]; do
    path=$path/d$level
    level=$((level + 1))
done
mkdir -p "$path" || fail "no deep tree"
printf 'deep\n' >"$path/bottom"

files=$(find "$tree" -type f -exec sh -c 'for f; do echo x; done' sh {} + | wc -l | tr -d ' ')
find "$tree" -type f -exec sh -c 'for f; do wc -lwc <"$f"; done' sh {} + |
    awk '{ l += $1; w += $2; b += $3 } END { printf "%.0f %.0f %.0f\n", l, w, b }' >"$tmp/wc"
read -r lines wc_words bytes <"$tmp/wc"
for program in "$tmp/plain" "$tmp/sha"; do
    [ -x "$program" ] || continue
    totals "$program" "$tree"
    expect files "$files" tree
    expect lines "$lines" tree
    expect words "$wc_words" tree
    expect bytes "$bytes" tree
    expect duplicates 5 tree # 4 copies of one, 3 of "same"; empty files do not count
    expect duplicate_bytes $((3 * 13 + 2 * 4)) tree
    expect vanished 0 tree
    expect unread_files 0 tree
    expect unread_directories 0 tree
done
digests_compare "$tree"

# The digest without OpenSSL is FNV-1a: its published values.
mkdir "$tmp/fnv"
: >"$tmp/fnv/0"
printf 'a' >"$tmp/fnv/1"
printf 'foobar' >"$tmp/fnv/6"
"$tmp/plain" --list "$tmp/fnv" | cut -d' ' -f1 | tr '\n' ' ' >"$tmp/have"
[ "$(cat "$tmp/have")" = "cbf29ce484222325 af63dc4c8601ec8c 85944171f73967e8 " ] ||
    fail "wrong FNV-1a: $(cat "$tmp/have")"

# The report: says which digest, names the duplicates, keeps control characters out.
"$tmp/plain" "$tree" >"$tmp/report" || fail "the report fails"
grep -q 'not cryptographic' "$tmp/report" || fail "the report keeps quiet about its digest"
grep -Fq "4 x 13 bytes  $tree/a\\x1b[31m  " "$tmp/report" || fail "the report lacks the duplicates"
tr -d '\n\040-\176\200-\377' <"$tmp/report" | cmp -s - /dev/null || fail "control characters"
[ "$(wc -l <"$tmp/report")" -le 50 ] || fail "the report is long"
if [ $openssl = yes ]; then
    "$tmp/sha" "$tree" | grep -q 'SHA-256' || fail "the report does not say SHA-256"
fi

# A path longer than the kernel takes at once (4,096 bytes).
name=$(printf '%0200d' 0)
level=0
mkdir "$tmp/long"
(
    cd -P "$tmp/long" || exit 1
    while [ $level -lt 30 ]; do
        mkdir "$name" && cd -P "$name" || exit 1
        level=$((level + 1))
    done
    printf 'far down\n' >file
) 2>/dev/null
if [ "$(find "$tmp/long" -type f 2>/dev/null | wc -l)" -eq 1 ]; then
    totals "$tmp/plain" "$tmp/long"
    expect files 1 "long path"
    expect words 2 "long path"
    expect directories 31 "long path"
else
    echo "census.sh: this shell cannot make a path of 6,000 bytes; not tried"
fi

# Too many directories at a time: reported, and the rest is counted.
"$tmp/small" --totals "$tree" >"$tmp/totals" 2>"$tmp/err" || fail "the small stack fails"
[ "$(value unread_directories)" -gt 0 ] || fail "nothing was refused"
grep -q 'too many directories' "$tmp/err" || fail "the refusal is not reported"

# ---- Errors -------------------------------------------------------------------------------
"$tmp/plain" "$tmp/nowhere" >/dev/null 2>"$tmp/err"
[ $? -eq 1 ] && grep -q nowhere "$tmp/err" || fail "a missing directory is not exit 1"
"$tmp/plain" "$tree/empty" >/dev/null 2>&1
[ $? -eq 1 ] || fail "a file as directory is not exit 1"
"$tmp/plain" --nonsense >/dev/null 2>&1
[ $? -eq 2 ] || fail "a bad option is not exit 2"
mkdir "$tmp/nothing"
"$tmp/plain" "$tmp/nothing" >/dev/null || fail "an empty directory fails"

# What cannot be read is reported and does not stop anything. Root reads all: be somebody.
mkdir -p "$tmp/closed/directory"
printf 'secret\n' >"$tmp/closed/file"
printf 'open\n' >"$tmp/closed/readable"
: >"$tmp/closed/directory/inside"
chmod 000 "$tmp/closed/file" "$tmp/closed/directory"
as=""
if [ "$(id -u)" -eq 0 ]; then
    as="setpriv --reuid=65534 --regid=65534 --clear-groups"
    $as true 2>/dev/null || as=none
fi
if [ "$as" = none ]; then
    echo "census.sh: root reads everything and there is no setpriv: unreadable files not tried"
else
    $as "$tmp/plain" --totals "$tmp/closed" >"$tmp/totals" 2>"$tmp/err" ||
        fail "an unreadable file is fatal: $(cat "$tmp/err")"
    expect files 2 closed
    expect bytes 5 closed
    expect unread_files 1 closed
    expect unread_directories 1 closed
    grep -q "closed/file: " "$tmp/err" || fail "an unreadable file is not reported"
    grep -q "closed/directory: " "$tmp/err" || fail "an unreadable directory is not reported"
    $as "$tmp/plain" "$tmp/closed" >"$tmp/report" || fail "the report with errors fails"
    grep -q '1 files and 1 directories' "$tmp/report" || fail "the report hides the errors"
fi

if [ -n "$skipped" ]; then
    echo "census.sh: not compared: ${skipped#; }"
    exit 77
fi
echo "census.sh: passed"
exit 0
