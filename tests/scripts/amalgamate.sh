#!/bin/sh
# What the amalgamation keeps, drops and refuses. Each refusal leaves nothing on stdout.

tool=$(pwd)/build/tools/amalgamate
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
mkdir "$work/src"
cd "$work" || exit 2
echo "licence text" >LICENSE

noted() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
    fi
}

# put NAME: stdin becomes src/NAME; begin: forgets the modules of the case before.
put() { cat >"src/$1"; }
begin() { rm -f src/*; }

# refuses NAME WORDS: exit 1, a place, these words, and no output.
refuses() {
    "$tool" src/ecs_dev.h >out 2>err
    code=$?
    good=1
    [ $code -eq 1 ] && [ ! -s out ] && grep -q "$2" err && grep -q ':[0-9]*: amalgamate:' err &&
        good=0
    [ $good -eq 0 ] || cat err
    noted "$1" $good
}

module() { printf '/* %s */\n#ifndef %s_H\n#define %s_H\n' "$1" "$1" "$1"; cat; printf '#endif\n'; }

# ---- what is kept and dropped
begin
printf '/* about src/ */\n\n#include "a.h"\n#ifdef ECS_IMPLEMENTATION\n#include "b.h"\n#endif\n' |
    put ecs_dev.h
printf '#include <stdint.h>\n/*\n#include "never.h"\n*/\nint a; // /* none\n#include "a.h"\n' |
    module a | put a.h
printf '#include "a.h" /* above */\n\n\n\nconst char *b = "/* #include";\n#define B \\\n    1\n' |
    module b | put b.h
"$tool" src/ecs_dev.h >out 2>err
code=$?
[ $code -eq 0 ] && [ ! -s err ]
noted "good input is taken" $?
[ "$(sed -n 's/^\/\* >>\([a-z]*\) .*/\1/p' out | tr '\n' ' ')" = "a b " ]
noted "one marker a module, in order" $?
[ "$(grep -c '^int a;' out)" = 1 ]
noted "a module comes once" $?
[ "$(grep -c '#include "' out)" = 1 ] && grep -q '^#include "never.h"' out
noted "no quoted include is left but in comments" $?
grep -q '^#include <stdint.h>' out
noted "angle includes stay" $?
grep -q '^const char \*b = "/\* #include";' out && grep -q '^#define B \\$' out
noted "strings and splices stay" $?
grep -q '^#ifdef ECS_IMPLEMENTATION' out
noted "conditions stay" $?
! grep -q 'about src' out
noted "the manifest's own comment goes" $?
cat -s out | cmp -s - out
noted "blank lines become one" $?
head -n 5 out | grep -q GENERATED && head -n 5 out | grep -q 'make ecs.h'
noted "it says that it is generated" $?
tail -n 2 out | head -n 1 | grep -q 'licence text'
noted "the licence stands at the end" $?
"$tool" src/ecs_dev.h named
cmp -s out named && [ ! -e named.tmp ]
noted "an output argument gives the same bytes" $?
mkdir elsewhere
cp -R src LICENSE elsewhere/
(cd elsewhere && "$tool" "$work/elsewhere/src/ecs_dev.h") >other
cmp -s out other
noted "no path of the machine matters" $?

# ---- what is refused
begin; printf '#include "gone.h"\n' | put ecs_dev.h; refuses "missing include" "missing"
begin; refuses "missing manifest" "cannot open"
begin; printf 'int a;\n' | put ecs_dev.h; refuses "manifest without modules" "includes nothing"
begin; printf '#include "a.h"\n' | put ecs_dev.h
printf 'int a;\r\n' | put a.h; refuses "carriage return" "carriage return"
printf 'int a;' | put a.h; refuses "no final newline" "newline"
printf '' | put a.h; refuses "empty module" "empty"
printf 'int a\0;\n' | put a.h; refuses "zero byte" "zero byte"
printf '/* %0500d */\n' 1 | put a.h; refuses "long line" "too long"
printf '/* open\n' | put a.h; refuses "open comment" "comment is not closed"
printf '#ifdef X\n' | put a.h; refuses "open condition" "#if is not closed"
printf '#endif\n' | put a.h; refuses "condition closed twice" "#endif without"
printf '#include "b.h\n' | put a.h; refuses "open quote" "closing quote"
printf '#include "sub/b.h"\n' | put a.h; refuses "folder" "side by side"
printf '#include "b.h"\n' | put a.h; printf '#include "a.h"\n' | put b.h
refuses "circle" "circle"
begin; printf '#include "m1.h"\n' | put ecs_dev.h
i=1
while [ $i -le 20 ]; do printf '#include "m%d.h"\n' $((i + 1)) | put m$i.h; i=$((i + 1)); done
printf 'int a;\n' | put m21.h; refuses "nesting" "too deep"
begin; printf '#ifdef X\n#include "a.h"\n#endif\n#include "b.h"\n' | put ecs_dev.h
printf 'int a;\n' | module a | put a.h; printf '#include "a.h"\n' | module b | put b.h
refuses "first place under a condition that the second lacks" "outside the condition"
begin; printf '#include "a.h"\n' | put ecs_dev.h; printf 'int a;\n' | module a | put a.h
mv LICENSE kept; refuses "no licence" "licence is missing"
echo 'ends */ here' >LICENSE; refuses "licence that ends its comment" "end its comment"

"$tool" src/ecs_dev.h named 2>err
cmp -s named other
noted "a failure leaves the old output" $?

echo "amalgamate: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
