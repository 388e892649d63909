#!/bin/sh
# Line coverage of src/ by the unit, model and simulation tests, by gcc and plain gcov. A line
# is covered if any program ran it. Fails below COVERAGE_MIN percent. Needs awk.

set -u
cd "$(dirname "$0")/.." || exit 2
root=$(pwd)
minimum=${COVERAGE_MIN:-95}
gcov=${GCOV:-gcov}
compiler=${COVERAGE_CC:-gcc}
out=build/coverage
command -v "$compiler" >/dev/null 2>&1 || { echo "coverage: needs $compiler"; exit 1; }
command -v "$gcov" >/dev/null 2>&1 || { echo "coverage: needs $gcov"; exit 1; }
rm -rf $out
mkdir -p $out

# One program: compiled, run, and its counters turned into text, in a folder of its own.
measure() {
    source=$1
    name=$(basename "$(dirname "$source")").$(basename "$source" .c)
    dir=$out/$name
    mkdir -p "$dir"
    "$compiler" -std=c11 -O0 -g --coverage -fprofile-update=prefer-atomic -ffp-contract=off -I. \
        -DECS_TEST_COVERAGE -DECS_TEST_HEADER='"src/ecs_dev.h"' -c "$source" \
        -o "$dir/$name.o" || return 1
    "$compiler" --coverage "$dir/$name.o" -o "$dir/$name" -lm -lpthread || return 1
    "$dir/$name" >"$dir/log" 2>&1 || { cat "$dir/log"; return 1; }
    # gcov reads the sources by the names that the compiler saw, from where it runs.
    ln -s "$root/src" "$root/tests" "$dir/"
    (cd "$dir" && "$gcov" -p "$name.gcda" >gcov.log 2>&1) || return 1
}

bad=0
running=0
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
for source in tests/unit/*.c tests/model/*.c tests/sim/*.c; do
    [ -f "$source" ] || continue
    { measure "$source" || touch "$out/failed"; } &
    running=$((running + 1))
    [ $((running % jobs)) -eq 0 ] && wait
done
wait
[ -f $out/failed ] && { echo "coverage: a test program failed"; bad=1; }
[ $running -gt 0 ] || { echo "coverage: no tests"; exit 1; }

# In gcov's text "-" is no code, "#####" was not run, else a count ("*": some blocks were not).
cat $out/*/*.gcov | awk -v minimum="$minimum" -v missed="$out/missed.txt" '
{
    split($0, part, ":")
    count = part[1]; line = part[2] + 0
    gsub(/[ *]/, "", count)
    if (line == 0 && part[3] == "Source") {
        file = part[4]
        inside = file ~ /^(.*\/)?src\/[^\/]*\.h$/
    }
    if (!inside || line == 0 || count == "-") next
    key = file ":" line
    if (!(key in seen)) { seen[key] = 1; total[file]++; text[key] = $0 }
    if (count !~ /^[#=]/ && !(key in hit)) { hit[key] = 1; good[file]++ }
}
END {
    for (file in total) {
        all += total[file]; run += good[file]
        printf "%-28s %6d of %6d lines  %6.2f %%\n", file, good[file], total[file],
            100 * good[file] / total[file] | "sort"
    }
    close("sort")
    for (key in seen) if (!(key in hit)) print key "  " substr(text[key], 17) > missed
    if (all == 0) { print "coverage: no line of src/ was seen"; exit 1 }
    percent = 100 * run / all
    printf "%-28s %6d of %6d lines  %6.2f %%\n", "total", run, all, percent
    if (percent < minimum) { printf "coverage: below %s %%\n", minimum; exit 1 }
}' || bad=1
[ -f $out/missed.txt ] && sort -t : -k 1,1 -k 2,2n -o $out/missed.txt $out/missed.txt &&
    echo "lines that no test ran: $out/missed.txt"
exit $bad
