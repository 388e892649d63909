#!/bin/sh
# The header tested by itself, as xxHash does it: included twice, in several units, private
# copies, every switch alone and all together, each module alone; C11 and C++17, every compiler
# that is there. Switches are read from src/ (#ifdef ECS_NO_*), so that none is forgotten.

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
switches=$(sed -n 's/^#if.*\(ECS_NO_[A-Z_]*\).*/\1/p' src/*.h | sort -u)

compilers=
for each in gcc clang g++ clang++; do
    command -v $each >/dev/null 2>&1 && compilers="$compilers $each"
done
case $compilers in
*gcc* | *clang*) ;;
*) compilers="$CC$compilers" ;;
esac

flags_of() {
    case $1 in
    *++) echo "-x c++ -std=c++17 $warnings -I." ;;
    *) echo "-x c -std=c11 $warnings -I." ;;
    esac
}

verdict() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
        head -n 20 "$work/log"
    fi
}

# tries NAME COMPILER ARGS...: must succeed without a warning.
tries() {
    name=$1
    compiler=$2
    shift 2
    $compiler $(flags_of $compiler) "$@" >"$work/log" 2>&1
    verdict "$name ($compiler)" $?
}

runs() {
    "$work/program" >"$work/log" 2>&1
    verdict "$1 runs" $?
}

cat >"$work/user.c" <<END
#include "ecs.h"
#ifdef __cplusplus
extern "C" {
#endif
int other_unit(void);
#ifdef __cplusplus
}
#endif
int main(void)
{
    ecs_world *world = ecs_world_create(NULL);
    if (world == NULL) return 1;
    ecs_world_destroy(world);
    return other_unit();
}
END
cat >"$work/impl.c" <<END
#define ECS_IMPLEMENTATION
#include "ecs.h"
#ifdef __cplusplus
extern "C" {
#endif
int other_unit(void);
#ifdef __cplusplus
}
#endif
int other_unit(void)
{
    ecs_world *world = ecs_world_create(NULL);
    if (world == NULL) return 1;
    ecs_world_destroy(world);
    return 0;
}
END
cat >"$work/twice.c" <<END
#include "ecs.h"
#include "ecs.h"
#define ECS_IMPLEMENTATION
#include "ecs.h"
#include "ecs.h"
END
printf '#include "ecs.h"\n' >"$work/only.c"
printf '#include <stdio.h>\n#include <stdlib.h>\n#include "ecs.h"\n' >"$work/after.c"
sed '1i #define ECS_STATIC\n#define ECS_IMPLEMENTATION' "$work/user.c" >"$work/static_user.c"
sed '1i #define ECS_STATIC' "$work/impl.c" >"$work/static_impl.c"

all=
for switch in $switches; do all="$all -D$switch"; done

for compiler in $compilers; do
    tries "declarations alone" $compiler -O1 -c "$work/only.c" -o "$work/o.o"
    tries "declarations after libc headers" $compiler -O1 -c "$work/after.c" -o "$work/o.o"
    tries "included twice" $compiler -O1 -c "$work/twice.c" -o "$work/o.o"
    tries "two units" $compiler -O1 "$work/user.c" "$work/impl.c" -o "$work/program" -lm -lpthread
    runs "two units ($compiler)"
    tries "two private copies" $compiler -O1 "$work/static_user.c" "$work/static_impl.c" \
        -o "$work/program" -lm -lpthread
    runs "two private copies ($compiler)"
    tries "asserts off" $compiler -O3 -DNDEBUG -DECS_NO_ASSERT -c "$work/impl.c" -o "$work/o.o"
    if [ "$(echo $switches | wc -w)" -gt 1 ]; then
        tries "all switches" $compiler -O1 $all "$work/user.c" "$work/impl.c" -o "$work/program" \
            -lm -lpthread
    fi
    for switch in $switches; do
        tries "$switch" $compiler -O1 -D$switch -c "$work/impl.c" -o "$work/o.o"
    done
    for module in src/*.h; do
        [ $module = src/ecs_dev.h ] && continue
        printf '#define ECS_IMPLEMENTATION\n#include "%s"\n' "$module" >"$work/module.c"
        tries "$module alone" $compiler -Wno-unused -fsyntax-only "$work/module.c"
    done
    tries "the manifest itself" $compiler -DECS_IMPLEMENTATION -fsyntax-only src/ecs_dev.h
done

# Units that were compiled with different switches must not link into one program.
set -- $compilers
compiler=$1
for switch in $switches; do
    tries "$switch, user's unit" "$compiler" -O1 -c "$work/user.c" -o "$work/user.o"
    tries "$switch, other unit" "$compiler" -O1 -D$switch -c "$work/impl.c" -o "$work/impl.o"
    if "$compiler" "$work/user.o" "$work/impl.o" -o "$work/program" -lm -lpthread \
        >"$work/log" 2>&1; then
        verdict "$switch in one unit only must not link" 1
    else
        verdict "$switch in one unit only must not link" 0
    fi
done

# A private copy exports nothing.
if command -v nm >/dev/null 2>&1; then
    $CC -std=c11 -I. -DECS_STATIC -c "$work/impl.c" -o "$work/o.o" >"$work/log" 2>&1
    names=$(nm -g "$work/o.o" | grep -v ' [Uwv] ' | sed 's/^.* //' | grep -v '^_*other_unit$')
    echo "exported: $names" >"$work/log"
    [ -z "$names" ]
    verdict "ECS_STATIC exports nothing" $?
fi

echo "header: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
