#!/bin/sh
# class.sh: a C++ class as a component: built, copied, moved and ended by its own functions.
set -u
inc=${ECS_INC:-.}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cat >"$dir/class.cpp" <<'CPP'
#define ECS_IMPLEMENTATION
#include "ecs.h"
#include <string>

struct Name { std::string text; };
ECS_COMPONENT_CLASS(Name);

static uint64_t name_hash(const void *value, uint64_t seed, void *)
{
    for (char c : ((const Name *)value)->text) seed = (seed ^ (uint64_t)c) * 0x100000001b3u;
    return seed;
}

static uint64_t history(void)
{
    const Name hero{"a name that is longer than what a short string keeps in itself"};
    ecs_world *world = ecs_world_create(nullptr);
    ecs_hooks hooks = *ecs_type_of(Name)->hooks;
    ecs_component id;
    uint64_t hash = 0;
    hooks.hash = name_hash;
    if (ecs_component_register(world, ecs_type_of(Name), &id) != ECS_OK) return 0;
    if (ecs_component_hooks(world, id, &hooks) != ECS_OK) return 0;
    for (int i = 0; i < 1000; i++) {
        ecs_entity e = ecs_spawn_with(world, (Name, hero));
        if (i % 3 == 0) ecs_cmd_set(ecs_world_commands(world), e, Name, Name{"short"});
        if (i % 7 == 0) ecs_cmd_despawn(ecs_world_commands(world), e);
        if (i % 10 == 0 && ecs_flush(world) != ECS_OK) return 0;
        if (i % 11 == 0 && ecs_is_null(ecs_clone(world, e)) == ecs_alive(world, e)) return 0;
    }
    if (ecs_get(world, ecs_spawn_with(world, (Name, hero)), Name)->text != hero.text) return 0;
    hash = ecs_world_hash(world);
    ecs_world_destroy(world);
    return hash;
}

int main()
{
    uint64_t one = history();
    return one != 0 && one == history() ? 0 : 1;
}
CPP
found=0
for cxx in g++ clang++; do
    command -v "$cxx" >/dev/null 2>&1 || continue
    found=1
    "$cxx" -std=c++17 -O1 -g -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror \
        -fsanitize=address,undefined -I"$inc" "$dir/class.cpp" -o "$dir/class" || exit 1
    "$dir/class" || { echo "class.sh: wrong result with $cxx"; exit 1; }
done
[ "$found" = 1 ] || { echo "no C++ compiler"; exit 77; }
exit 0
