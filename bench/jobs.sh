#!/bin/sh
# The job engine beside OpenMP, oneTBB and plain threads: builds what can be built of bench/jobs,
# runs all scenarios by all programs in turns, and prints one table.
#
#     bench/jobs.sh [--workers N] [--rounds N] [--scenarios "NAME ..."] [--quick] [--csv]
#                   [PROGRAM ...]
#
# Workers: all processors by default; oversub has four times the processors. Rounds: 3. --quick:
# only whether it works. PROGRAM, and those that JOBS_PEERS names, take part as peers when they
# speak the same protocol: `PROGRAM SCENARIO WORKERS` prints `scenario workers value`.
#
# A cell is the median over the rounds of what the program printed, which is a median itself.
# Environment: CC (cc), CXX (c++), JOBS_FLAGS (of both compilers), JOBS_OUT (where to build).
# Ends with 1 when a program failed. bench/README.md says what the scenarios are.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${JOBS_OUT:-$here/../build/bench/jobs}
cc=${CC:-cc}
cxx=${CXX:-c++}
flags=${JOBS_FLAGS:--O3 -march=native -DNDEBUG}
all="spawn spawn100 fib for1k for100k for10m heavy10k skynet wavefront pingpong oversub idlecpu"
all="$all fence"
rounds=3
scenarios=$all
csv=0
peers=${JOBS_PEERS:-}
processors=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
workers=$processors

usage() {
    echo "usage: jobs.sh [--workers N] [--rounds N] [--scenarios \"NAME ...\"] [--quick] [--csv]" \
        "[PROGRAM ...]" >&2
    exit 2
}

is_number() {
    case $1 in '' | 0 | *[!0-9]*) return 1 ;; esac
}

while [ $# -gt 0 ]; do
    case $1 in
    --quick) JOBS_QUICK=1 && export JOBS_QUICK ;;
    --csv) csv=1 ;;
    --workers | --rounds | --scenarios)
        [ $# -gt 1 ] || usage
        case $1 in
        --workers) workers=$2 ;;
        --rounds) rounds=$2 ;;
        --scenarios) scenarios=$2 ;;
        esac
        shift
        ;;
    -*) usage ;;
    *) peers="$peers $1" ;;
    esac
    shift
done
is_number "$workers" || usage
is_number "$rounds" || usage
[ "$workers" -le 256 ] || workers=256
for scenario in $scenarios; do
    case " $all " in
    *" $scenario "*) ;;
    *) echo "jobs.sh: no scenario $scenario; there are: $all" >&2 && exit 2 ;;
    esac
done

# ---- building ----------------------------------------------------------------------------

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# links LANGUAGE COMPILER SOURCE FLAGS...: can it build that at all?
links() {
    language=$1
    compiler=$2
    echo "$3" >"$work/probe.$language"
    shift 3
    command -v "$compiler" >/dev/null 2>&1 &&
        "$compiler" "$work/probe.$language" -o "$work/probe" "$@" >/dev/null 2>&1
}

# make_program NAME SOURCE COMMAND...: builds it unless it is newer than all that it is made of.
make_program() {
    program=$out/$1
    source=$here/jobs/$2
    shift 2
    made="$* $flags"
    if [ -x "$program" ] && [ "$(cat "$program.flags" 2>/dev/null)" = "$made" ]; then
        newer=$(find "$source" "$here/jobs/jobs.h" "$here/../ecs.h" -newer "$program")
        [ -n "$newer" ] || return 0
    fi
    # shellcheck disable=SC2086 # the flags are words
    "$1" "$2" $flags -ffp-contract=off "$source" -o "$program" $3 -lm -lpthread
    echo "$made" >"$program.flags"
}

include_omp='#include <omp.h>
int main(void) { return omp_get_max_threads() < 1; }'
include_tbb='#include <oneapi/tbb.h>
int main() { return tbb::this_task_arena::max_concurrency() < 1; }'

programs="ours"
make_program ours ours.c "$cc" -std=c11 ""
omp_cc=
for each in "$cc" gcc; do
    [ -n "$omp_cc" ] || ! links c "$each" "$include_omp" -fopenmp || omp_cc=$each
done
if [ -n "$omp_cc" ]; then
    make_program openmp openmp.c "$omp_cc" -std=c11 -fopenmp
    programs="$programs openmp"
else
    echo "jobs.sh: missing: openmp: no compiler with -fopenmp"
fi
if links cpp "$cxx" "$include_tbb" -std=c++17 -ltbb; then
    make_program tbb tbb.cpp "$cxx" -std=c++17 -ltbb
    programs="$programs tbb"
else
    echo "jobs.sh: missing: tbb: no C++ compiler with oneTBB (libtbb-dev)"
fi
make_program raw raw.c "$cc" -std=c11 ""

# Names and paths, in the table's order: ours, the peers, the limit.
for name in $programs; do echo "$name $out/$name"; done >"$work/programs"
for peer in $peers; do
    path=$(command -v "$peer" || true)
    [ -x "$path" ] || { echo "jobs.sh: no program $peer" >&2 && exit 2; }
    echo "$(basename "$peer") $path" >>"$work/programs"
done
echo "raw $out/raw" >>"$work/programs"
count=$(wc -l <"$work/programs")

# ---- running -----------------------------------------------------------------------------

limit=
! command -v timeout >/dev/null 2>&1 || limit="timeout 120"

# one INDEX SCENARIO: a line "index value"; "failed" is a value.
one() {
    line=$(sed -n "$1p" "$work/programs")
    team=$workers
    [ "$2" != oversub ] || team=$((processors * 4 < 256 ? processors * 4 : 256))
    if answer=$($limit "${line#* }" "$2" "$team" 2>"$work/errors"); then
        echo "$1 ${answer##* }"
    else
        echo "$1 failed"
        echo "jobs.sh: ${line%% *} $2 $team failed: $(tail -n 1 "$work/errors")" >&2
        : >"$work/failed"
    fi
}

# The table's rows: row.awk prints the head for the scenario "-".
cat >"$work/row.awk" <<'END_AWK'
function figure(v) {
    return v < 0 ? "-" : sprintf(v < 1 ? "%.4f" : v < 100 ? "%.2f" : "%.0f", v)
}
function ratio(a, b) { return a < 0 || b <= 0 ? "-" : sprintf("%.2f", a / b) }
function median(i, n,   a, b, t) {
    for (a = 0; a < n; a++) for (b = a + 1; b < n; b++) if (v[i, b] < v[i, a]) {
        t = v[i, a]; v[i, a] = v[i, b]; v[i, b] = t
    }
    return n % 2 ? v[i, (n - 1) / 2] : (v[i, n / 2 - 1] + v[i, n / 2]) / 2
}
function put(first, second, third, fourth,   i, line) {
    line = csv ? first : sprintf("%-10s", first)
    for (i = 1; i <= count; i++) line = line sprintf(csv ? ",%s" : " %10s", cell[i])
    printf(csv ? "%s,%s,%s,%s\n" : "%s %9s %8s  %s\n", line, second, third, fourth)
}
FILENAME == programs { name[++count] = $1; next }
$2 ~ /^[0-9.]+$/ { v[$1, n[$1]++] = $2 + 0 }
$2 == "failed" { failed[$1] = 1 }
END {
    if (scenario == "-") {
        for (i = 1; i <= count; i++) cell[i] = name[i]
        put("scenario", "ours/best", "ours/raw", "unit")
        exit
    }
    best = -1
    for (i = 1; i <= count; i++) {
        m[i] = n[i] > 0 ? median(i, n[i]) : -1
        cell[i] = failed[i] ? "failed" : figure(m[i])
        if (i > 1 && i < count && m[i] >= 0 && (best < 0 || m[i] < best)) best = m[i]
    }
    put(scenario, ratio(m[1], best), ratio(m[1], m[count]), scenario == "idlecpu" ? "ms" : "ns")
}
END_AWK

row() {
    awk -v csv=$csv -v scenario="$1" -v programs="$work/programs" -f "$work/row.awk" \
        "$work/programs" "$work/values"
}

[ $csv -eq 1 ] || echo "$workers workers, $rounds rounds; an item each: bench/README.md"
: >"$work/values"
row -
for scenario in $scenarios; do
    round=0
    : >"$work/values"
    while [ $round -lt "$rounds" ]; do
        turn=0
        while [ $turn -lt "$count" ]; do
            one $(((turn + round) % count + 1)) "$scenario" >>"$work/values"
            turn=$((turn + 1))
        done
        round=$((round + 1))
    done
    row "$scenario"
done
[ ! -f "$work/failed" ]
