#!/bin/sh
# Units of one program: typed components shared by C and C++ units, private copies of both
# languages beside a common one, every combination of the switches, which switches may differ
# between units, and a system header that came first. header.sh has the simpler cases.
#
# Environment: CC, HEADER ("ecs.h"), ECS_TEST_LONG=1 (every combination with every compiler).

: "${CC:=cc}" "${HEADER:=ecs.h}" "${ECS_TEST_LONG:=0}"
LC_ALL=C
export LC_ALL
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
skipped=0
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -ffp-contract=off"
switches="ECS_NO_ASSERT ECS_DEBUG ECS_DEBUG_SLOW ECS_NO_EVENTS ECS_NO_EXPLAIN ECS_NO_HASH
    ECS_NO_LOG ECS_STATIC ECS_NO_ADAPTIVE ECS_NO_RUN ECS_NO_WORLDS ECS_NO_IO"

have() {
    command -v "$1" >/dev/null 2>&1
}

verdict() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
        head -n 12 "$work/log"
    fi
}

skip() {
    skipped=$((skipped + 1))
    echo "skip: $1"
}

flags_of() {
    case $1 in
    *++) echo "-x c++ -std=c++17 $warnings -I. -I$work" ;;
    *) echo "-x c -std=c11 $warnings -I. -I$work" ;;
    esac
}

# compile COMPILER SOURCE OBJECT FLAGS...
compile() {
    compiler=$1
    source=$2
    object=$3
    shift 3
    $compiler $(flags_of $compiler) -O0 "$@" -c "$source" -o "$object" >"$work/log" 2>&1
}

# link COMPILER OBJECT...: into $work/program
link() {
    compiler=$1
    shift
    rm -f "$work/program"
    $compiler "$@" -o "$work/program" -lm -lpthread >"$work/log" 2>&1
}

c_compilers=
cxx_compilers=
for each in gcc clang; do have $each && c_compilers="$c_compilers $each"; done
for each in g++ clang++; do have $each && cxx_compilers="$cxx_compilers $each"; done
[ -n "$c_compilers" ] || c_compilers=$CC
[ -n "$cxx_compilers" ] || skip "C++ units: no C++ compiler"

# ---- the units ---------------------------------------------------------------------------

cat >"$work/shared.h" <<END
#include "$HEADER"
typedef enum { RED, GREEN } Colour;
typedef struct {
    float x, y, grid[2][2];
    ecs_entity parent;
    Colour colour;
    char letter;
    bool flag;
} Shared;
ECS_COMPONENT(Shared, x, y, grid, parent, colour, letter, flag);
ECS_TAG(Marked);
#ifdef __cplusplus
extern "C" {
#endif
ecs_world *other_make(void);
int other_check(ecs_world *world, ecs_entity e);
#ifdef __cplusplus
}
#endif
END
cat >"$work/user.c" <<'END'
#include "shared.h"
ECS_QUERY(query, READ(Shared), WITH(Marked));
ECS_SYSTEM(mark_up, WRITE(Shared))
{
    for (uint32_t i = 0; i < view->count; i++) ecs_write(view, Shared)[i].x += 1;
    return ECS_OK;
}
int main(void)
{
    ecs_world *world = other_make();
    if (world == NULL) return 1;
    ecs_entity e = ecs_spawn(world);
    if (ecs_set(world, e, Shared, {1, 2, {{3, 4}, {5, 6}}, {7}, GREEN, 'x', true}) != ECS_OK) {
        return 2;
    }
    if (ecs_add(world, e, Marked) != ECS_OK) return 3;
    if (ecs_system_add(world, &mark_up, ECS_UPDATE) != ECS_OK) return 4;
    if (ecs_tick(world, 0) != ECS_OK) return 5;
    if (ecs_query_count(world, ecs_query_of(world, &query)) != 1) return 6;
    int answer = other_check(world, e);
    ecs_world_destroy(world);
    return answer;
}
END
cat >"$work/impl.c" <<'END'
#define ECS_IMPLEMENTATION
#include "shared.h"
ecs_world *other_make(void)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_component known = {0};
    if (world == NULL) return NULL;
    return ecs_component_register(world, ecs_type_of(Shared), &known) == ECS_OK ? world : NULL;
}
int other_check(ecs_world *world, ecs_entity e)
{
    ECS_GETTER(Shared) getter = ecs_getter_bind(world, Shared);
    const Shared *found = ecs_getter_get(getter, Shared, e);
    if (found == NULL || found != ecs_get(world, e, Shared)) return 7;
    if (ecs_world_stats(world).component_count != 2) return 8;
    return found->x > 1 && found->letter == 'x' && ecs_has(world, e, Marked) ? 0 : 9;
}
END
# A private copy has a world of its own and its own symbols; `name` tells the copies apart.
for name in one two three; do
    cat >"$work/private_$name.c" <<END
#define ECS_STATIC
#include "shared.h"
#ifdef __cplusplus
extern "C"
#endif
int private_$name(void);
int private_$name(void)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (Marked));
    int answer = (int)ecs_set(world, e, Shared, {1, 2, {{3, 4}, {5, 6}}, {7}, GREEN, 'x', true});
    if (ecs_tick(world, 0) != ECS_OK) answer = 20;
    ecs_world_destroy(world);
    return answer;
}
END
done
cat >"$work/private_main.c" <<'END'
#include "shared.h"
#ifdef __cplusplus
extern "C" {
#endif
int private_one(void);
int private_two(void);
int private_three(void);
#ifdef __cplusplus
}
#endif
int main(void)
{
    ecs_world *world = other_make();
    if (world == NULL) return 1;
    ecs_world_destroy(world);
    return private_one() + private_two() + private_three();
}
END

# ---- programs of several units -----------------------------------------------------------

# program NAME LINKER (COMPILER SOURCE)...: compiles, links and runs.
program() {
    name=$1
    linker=$2
    shift 2
    objects=
    number=0
    while [ $# -gt 0 ]; do
        number=$((number + 1))
        object=$work/unit$number.o
        objects="$objects $object"
        if ! compile "$1" "$work/$2" "$object"; then
            verdict "$name: $2 with $1" 1
            return
        fi
        shift 2
    done
    if link $linker $objects; then
        "$work/program" >"$work/log" 2>&1
        code=$?
        echo "exit $code" >>"$work/log"
        verdict "$name: runs" $code
    else
        verdict "$name: links" 1
    fi
}

for c in $c_compilers; do
    program "two C units ($c)" $c $c user.c $c impl.c
    program "three private copies and a common one ($c)" $c $c private_one.c $c private_two.c \
        $c private_three.c $c private_main.c $c impl.c
    for cxx in $cxx_compilers; do
        program "C++ user of C ($cxx, $c)" $cxx $cxx user.c $c impl.c
        program "C user of C++ ($c, $cxx)" $cxx $c user.c $cxx impl.c
        program "private copies of both ($c, $cxx)" $cxx $c private_one.c $cxx private_two.c \
            $c private_three.c $cxx private_main.c $c impl.c
    done
done
for cxx in $cxx_compilers; do
    program "two C++ units ($cxx)" $cxx $cxx user.c $cxx impl.c
done

# ---- switches that may not differ --------------------------------------------------------

# Layouts differ: such units must not link, whichever of them has the switch.
set -- $c_compilers
c=$1
for switch in ECS_NO_ADAPTIVE ECS_NO_EVENTS ECS_NO_EXPLAIN ECS_NO_HASH ECS_NO_IO ECS_NO_RUN \
    ECS_NO_WORLDS; do
    compile $c "$work/user.c" "$work/user.o"
    compile $c "$work/user.c" "$work/user_switch.o" -D$switch
    compile $c "$work/impl.c" "$work/impl.o"
    compile $c "$work/impl.c" "$work/impl_switch.o" -D$switch
    link $c "$work/user.o" "$work/impl_switch.o"
    [ $? -ne 0 ]
    verdict "$switch only in the implementation must not link" $?
    link $c "$work/user_switch.o" "$work/impl.o"
    [ $? -ne 0 ]
    verdict "$switch only in the user must not link" $?
    link $c "$work/user_switch.o" "$work/impl_switch.o"
    verdict "$switch in both links" $?
done

# ---- exported names ----------------------------------------------------------------------

if have nm; then
    for each in $c_compilers $cxx_compilers; do
        printf '#define ECS_IMPLEMENTATION\n#include "%s"\n' "$HEADER" >"$work/only.c"
        compile $each "$work/only.c" "$work/only.o"
        nm -g "$work/only.o" | grep -v ' [UwvVW] ' | sed 's/^.* //' >"$work/names"
        grep -v '^_*ecs_' "$work/names" >"$work/log"
        [ ! -s "$work/log" ] && [ "$(grep -c . "$work/names")" -gt 50 ]
        verdict "exported names begin with ecs_ ($each)" $?
    done
else
    skip "exported names: no nm"
fi

# ---- a system header came first ----------------------------------------------------------

printf '#include <stdio.h>\n#define ECS_IMPLEMENTATION\n#include "%s"\n' "$HEADER" >"$work/late.c"
for each in $c_compilers $cxx_compilers; do
    # With -std=c11 it works, or it stops and says what to do.
    if ! compile $each "$work/late.c" "$work/late.o"; then
        grep -q 'system header came first.*_POSIX_C_SOURCE' "$work/log"
        verdict "a system header first says what to do ($each)" $?
    else
        verdict "a system header first works ($each)" 0
    fi
    compile $each "$work/late.c" "$work/late.o" -D_POSIX_C_SOURCE=200809L
    verdict "a system header first, with the macro defined ($each)" $?
    case $each in
    *++) ;;
    *)
        $each -std=gnu11 -I. -c "$work/late.c" -o "$work/late.o" >"$work/log" 2>&1
        verdict "a system header first, as gnu11 ($each)" $?
        ;;
    esac
done

# ---- all combinations of switches --------------------------------------------------------

# combination NUMBER: the flags of its bits.
combination() {
    bits=$1
    flags=
    for switch in $switches; do
        [ $((bits % 2)) -eq 1 ] && flags="$flags -D$switch"
        bits=$((bits / 2))
    done
    echo "$flags"
}

cat >"$work/combination.c" <<'END'
#define ECS_IMPLEMENTATION
#include "shared.h"
ECS_SYSTEM(system_one, WRITE(Shared), NOT(Marked))
{
    ecs_write(view, Shared)[0].x = view->dt;
    return ECS_OK;
}
int main(void)
{
    ecs_world *world = ecs_world_create(NULL);
    int answer = (int)ecs_system_add(world, &system_one, ECS_UPDATE);
#ifndef ECS_NO_EVENTS
    answer += (int)ecs_event_send(world, Shared, {1, 2, {{3, 4}, {5, 6}}, {7}, RED, 'x', true});
#endif
#ifndef ECS_NO_EXPLAIN
    answer += (int)ecs_explain_schedule(world, NULL, 0);
#ifndef ECS_NO_ADAPTIVE
    answer += (int)ecs_explain_adaptive(world, NULL, 0);
#endif
#endif
#ifndef ECS_NO_HASH
    answer += (int)(ecs_world_hash(world) & 1u);
#endif
#ifndef ECS_NO_IO
    ecs_io_request request;
    memset(&request, 0, sizeof request);
    answer += (int)ecs_io_queue(ecs_world_commands(world), &request).bits;
    answer += (int)ecs_io_wait(world, 0);
#endif
#ifndef ECS_NO_RUN
    ecs_run_flag flag = {{0}};
    ecs_run_desc desc;
    memset(&desc, 0, sizeof desc);
    ecs_run_stop(&flag);
    desc.stop = &flag;
    answer += (int)ecs_run(world, &desc, NULL);
#endif
    ecs_world_destroy(world);
    return answer;
}
END

# combinations COMPILER OF ALL EACH: tries its share of each EACH-th one, an odd number, so that
# every switch meets every other. What fails is written to a file.
combinations() {
    number=0
    count=0
    bad_count=0
    bad=
    while [ $number -lt 4096 ]; do
        share=$((number / $4 % $3))
        flags=$(combination $number)
        number=$((number + $4))
        [ $share -eq "$2" ] || continue
        case $flags in # ECS_DEBUG_SLOW implies ECS_DEBUG
        *ECS_DEBUG\ *ECS_DEBUG_SLOW*) continue ;;
        esac
        count=$((count + 1))
        $1 $(flags_of $1) $flags -fsyntax-only "$work/combination.c" >"$work/log.$1" 2>&1 &&
            continue
        [ $bad_count -gt 0 ] || { bad=$flags; cp "$work/log.$1" "$work/bad.$1"; }
        bad_count=$((bad_count + 1))
    done
    echo "$count $bad_count$bad" >"$work/tried.$1"
}

# All compilers share them; where there is time they are all tried.
set -- $c_compilers $cxx_compilers
of=0
stride=23
[ "$ECS_TEST_LONG" = 1 ] && stride=1
for each in "$@"; do
    combinations $each $of $# $stride &
    of=$((of + 1))
done
wait
for each in "$@"; do
    read -r count bad_count bad <"$work/tried.$each"
    cp "$work/bad.$each" "$work/log" 2>/dev/null
    [ "$bad_count" -eq 0 ] && [ "$count" -gt 20 ]
    verdict "$bad_count of $count combinations of switches ($each), such as $bad" $?
    # Each alone and all together, with every compiler and code generated.
    for switch in $switches; do
        compile $each "$work/combination.c" "$work/o.o" -D$switch
        verdict "$switch alone ($each)" $?
    done
    compile $each "$work/combination.c" "$work/o.o" $(combination 4095)
    verdict "all switches together ($each)" $?
done

echo "link: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
