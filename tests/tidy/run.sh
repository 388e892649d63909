#!/bin/sh
# Runs tidy in each folder beside this file and compares what it finds with the folder's
# `expect`: exactly these findings, as "file:line: rule:", and exit status 1 if there are any.
# A rule that stops working, or begins to find what is good, fails here. In folders named
# *_joined each "@@" is taken out first: their text would be a finding where it stands.
#
# usage: tests/tidy/run.sh TIDY     (an absolute path)

tidy=$1
here=$(dirname "$0")
temporary=$(mktemp -d) || exit 2
trap 'rm -rf "$temporary"' EXIT
passed=0
failed=0

for expect in "$here"/*/expect; do
    dir=$(dirname "$expect")
    name=$(basename "$dir")
    case $name in
    *_joined)
        cp -R "$dir" "$temporary/$name"
        dir=$temporary/$name
        for file in $(cd "$dir" && find . -type f); do
            sed 's/@@//g' "$dir/$file" >"$temporary/file" && cp "$temporary/file" "$dir/$file"
        done
        ;;
    esac
    found=$(cd "$dir" && "$tidy" $(find . -type f ! -name expect | sort | sed 's:^\./::') 2>&1)
    code=$?
    got=$(printf '%s\n' "$found" | sed -n 's/^\([^ ]*:[0-9]*: [a-z]*:\) .*/\1/p' | sort)
    wanted=$(sort "$expect")
    wanted_code=0
    [ -n "$wanted" ] && wanted_code=1
    if [ "$got" = "$wanted" ] && [ $code -eq $wanted_code ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name: exit $code, wanted $wanted_code; wanted:"
        printf '%s\n' "$wanted"
        echo "got:"
        printf '%s\n' "$found"
    fi
done
echo "tidy rules: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
