#!/bin/sh
# What ecs.h costs a build: the time to compile a unit that includes it, beside one that includes
# the same libc headers, and the time and text size of the implementation at -O2.
#
#     bench/compile.sh [header]        default: ecs.h beside this directory
#
# Environment: CC (cc), ROUNDS (15), CSV=1. Figures are medians; the units of a table are
# compiled in turns. Needs a `date` that knows nanoseconds (GNU, busybox).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
header=${1:-$here/../ecs.h}
header=$(cd "$(dirname "$header")" && pwd)/$(basename "$header")
cc=${CC:-cc}
rounds=${ROUNDS:-15}
[ -f "$header" ] || { echo "compile.sh: no $header" >&2; exit 2; }
case $(date +%N) in *[!0-9]*|"") echo "compile.sh: skipped: date has no nanoseconds"; exit 0 ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# An empty unit is not allowed in C: each has one variable.
cat >"$work/libc.c" <<END
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
int unit;
END
cat >"$work/include.c" <<END
#include "$header"
int unit;
END
cat >"$work/user.c" <<END
#include "$header"
typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
ECS_SYSTEM(drift, WRITE(Position), READ(Velocity))
{
    Position *p = ecs_write(view, Position);
    const Velocity *v = ecs_read(view, Velocity);
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].x += v[i].x * view->dt;
        p[i].y += v[i].y * view->dt;
    }
    return ECS_OK;
}
ecs_status add(ecs_world *world);
ecs_status add(ecs_world *world)
{
    return ecs_system_add(world, &drift, ECS_UPDATE);
}
END
printf '#define ECS_IMPLEMENTATION\n#include "%s"\nint unit;\n' "$header" >"$work/implementation.c"

compile() # unit flags...
{
    unit=$1
    shift
    "$cc" -std=c11 "$@" -c "$work/$unit.c" -o "$work/$unit.o"
}

timed() # unit flags...: one line more in the unit's list, in microseconds
{
    start=$(date +%s%N)
    compile "$@"
    end=$(date +%s%N)
    echo $(((end - start) / 1000)) >>"$work/$1.us"
}

median_ms() # unit
{
    sort -n "$work/$1.us" | awk '{ v[NR] = $1 } END {
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf "%.1f", m / 1000 }'
}

row() # subject unit limit-unit
{
    value=$(median_ms "$2")
    limit=$(median_ms "$3")
    ratio=$(awk -v a="$value" -v b="$limit" 'BEGIN { printf "%.2f", a / b }')
    if [ -n "${CSV:-}" ]; then echo "$1,1,ms,$value,$limit,$ratio"
    else printf '%-24s %10s ms %10s ms %8s\n' "$1" "$value" "$limit" "$ratio"; fi
}

for unit in libc include user implementation; do compile "$unit" -O2; done # warms the caches
round=0
while [ "$round" -lt "$rounds" ]; do
    for unit in libc include user; do timed "$unit" -O2; done
    [ $((round % 5)) -ne 0 ] || timed implementation -O2
    round=$((round + 1))
done

if [ -z "${CSV:-}" ]; then
    echo "$("$cc" --version | head -n 1), -std=c11 -O2, limit: a unit with the same libc headers"
    printf '%-24s %13s %13s %8s\n' subject "per unit" limit ratio
else
    echo "subject,size,unit,value,limit,ratio"
fi
row compile_include include libc
row compile_user user libc
row compile_implementation implementation libc
text=$(size "$work/implementation.o" | awk 'NR == 2 { print $1 }')
if [ -n "${CSV:-}" ]; then echo "implementation_text,1,B,$text,,"
else printf '%-24s %10s B\n' implementation_text "$text"; fi
