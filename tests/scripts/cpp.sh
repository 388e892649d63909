#!/bin/sh
# A C++17 program on the typed and the untyped calls, with each C++ compiler that is here: the
# implementation in a C++ unit, and in a C unit that is linked to it.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=build/check/cpp
mkdir -p "$dir"
header=${ECS_TEST_HEADER_FILE:-src/ecs_dev.h}
flags="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -O1 -ffp-contract=off -I."

cat >"$dir/program.cpp" <<'PROGRAM'
#ifndef ECS_LINKED
#define ECS_IMPLEMENTATION
#endif
#include HEADER
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

static int failures;
#define CHECK(c) ((c) ? (void)0 : (void)(failures++, std::printf("line %d: %s\n", __LINE__, #c)))

namespace game {

struct Position {
    float x = 0, y = 0;
    constexpr Position() = default;
    constexpr Position(float a, float b) : x(a), y(b) {}
    float length2() const { return x * x + y * y; }
};
ECS_COMPONENT(Position, x, y);

struct Velocity { float x, y; };
ECS_COMPONENT(Velocity, x, y);

enum class State : std::uint8_t { idle, running };
ECS_COMPONENT(State);

struct Link { ecs_entity to; };
ECS_COMPONENT(Link, to);

using Score = std::int64_t;
ECS_COMPONENT(Score);

struct alignas(64) Wide { float lanes[16]; };
ECS_COMPONENT(Wide, lanes);

struct Clock { double seconds; };
ECS_RESOURCE(Clock, seconds);

struct Hit { ecs_entity who; std::int64_t damage; };
ECS_EVENT(Hit, who, damage);

ECS_TAG(Player);

ECS_SYSTEM(drift, WRITE(Position), READ(Velocity), NOT(Player))
{
    auto *p = ecs_write(view, Position);
    for (std::uint32_t i = 0; i < view->count; i++) {
        p[i] = Position(p[i].x + ecs_read(view, Velocity)[i].x * view->dt, p[i].y);
    }
    return ECS_OK;
}

ECS_SYSTEM(hit, READ(Position), RES_WRITE(Clock), EMIT(Hit))
{
    ecs_res_write(view, Clock)->seconds += static_cast<double>(view->dt);
    for (std::uint32_t i = 0; i < view->count; i++) {
        ecs_entity made = ecs_cmd_spawn_with(view->cmd, (Score, 5), (Player));
        ecs_emit(view, Hit, {made, 2});
        ecs_cmd_set(view->cmd, view->entities[i], Link, {made});
    }
    return ECS_OK;
}

ECS_EXCLUSIVE(grow)
{
    return ecs_is_null(ecs_spawn_with(world, (Position, {9.0f, 9.0f}))) ? ECS_FAILED : ECS_OK;
}

ECS_QUERY(links, READ(Link), WITH(Position));

static void typed()
{
    ecs_world *world = ecs_world_create(nullptr);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    Position start(1, 2);
    ecs_entity e = ecs_spawn_with(world, (Position, start), (Velocity, {2, 0}), (State));
    ecs_entity f = ecs_spawn_with(world, (Position, Position(3, 4)), (Wide));
    CHECK(ecs_set(world, e, State, State::running) == ECS_OK);
    CHECK(ecs_set(world, f, Score, *ecs_get(world, e, State) == State::running ? 1 : 0) == ECS_OK);
    CHECK(*ecs_get(world, f, Score) == 1);
    CHECK(reinterpret_cast<std::uintptr_t>(ecs_get(world, f, Wide)) % 64 == 0);
    CHECK(ecs_get(world, f, Position)->length2() > 24.9f);
    ecs_system_add(world, &drift, ECS_UPDATE);
    ecs_system_add(world, &hit, ECS_UPDATE);
    ecs_system_add(world, &grow, ECS_POST_UPDATE);
    CHECK(ecs_tick(world, 0.5f) == ECS_OK);
    CHECK(ecs_get(world, e, Position)->x > 1.9f);
    CHECK(ecs_resource_get(world, Clock)->seconds > 0.49);
    std::size_t count = 0;
    ECS_EACH(world, links, view) {
        for (std::uint32_t i = 0; i < view->count; i++, count++) {
            CHECK(*ecs_get(world, ecs_read(view, Link)[i].to, Score) == 5);
        }
    }
    CHECK(count == 2);
    ecs_events events = ecs_event_read(world, reader);
    CHECK(events.count == 2);
    const Hit *hits = static_cast<const Hit *>(events.data);
    CHECK(ecs_has(world, hits[0].who, Player) && hits[1].damage == 2);
    auto getter = ecs_getter_bind(world, Position);
    CHECK(ecs_getter_get(getter, Position, f) == ecs_get(world, f, Position));
    CHECK(ecs_world_hash(world) != 0);
    ecs_world_destroy(world);
}

} // namespace game

/* A type with a life of its own: hooks make it a component. */
struct Name {
    static int live;
    std::string text;
    Name() { live++; }
    explicit Name(const char *t) : text(t) { live++; }
    Name(const Name &o) : text(o.text) { live++; }
    Name(Name &&o) noexcept : text(std::move(o.text)) { live++; }
    Name &operator=(const Name &) = default;
    ~Name() { live--; }
};
int Name::live = 0;

template <typename T> struct Life {
    static void init(void *to, std::uint32_t n, void *)
    {
        for (std::uint32_t i = 0; i < n; i++) new (static_cast<T *>(to) + i) T();
    }
    static void copy(void *to, const void *from, std::uint32_t n, void *)
    {
        for (std::uint32_t i = 0; i < n; i++) {
            new (static_cast<T *>(to) + i) T(static_cast<const T *>(from)[i]);
        }
    }
    static void move(void *to, void *from, std::uint32_t n, void *)
    {
        T *f = static_cast<T *>(from);
        for (std::uint32_t i = 0; i < n; i++) {
            new (static_cast<T *>(to) + i) T(std::move(f[i]));
            f[i].~T();
        }
    }
    static void destroy(void *values, std::uint32_t n, void *)
    {
        for (std::uint32_t i = 0; i < n; i++) static_cast<T *>(values)[i].~T();
    }
    static const ecs_hooks hooks;
};
template <typename T>
const ecs_hooks Life<T>::hooks = {init, copy, move, destroy, nullptr, nullptr, nullptr, nullptr,
                                  nullptr};

static const ecs_type name_type = {"Name", sizeof(Name), alignof(Name), nullptr, 0,
                                   &Life<Name>::hooks};

static const Name *name_of(const ecs_world *world, ecs_entity e)
{
    return static_cast<const Name *>(ecs_get_type(world, e, &name_type));
}

/* The same by the macro: constructors and destructor become its hooks. */
struct Badge {
    static int live;
    std::string text = "no name, and too long for the small string inside";
    Badge() { live++; }
    explicit Badge(const char *t) : text(t) { live++; }
    Badge(const Badge &o) : text(o.text) { live++; }
    Badge(Badge &&o) noexcept : text(std::move(o.text)) { live++; }
    Badge &operator=(const Badge &) = default;
    ~Badge() { live--; }
};
int Badge::live = 0;
ECS_COMPONENT_CLASS(Badge);

ECS_SYSTEM(call, WRITE(Badge))
{
    for (std::uint32_t i = 0; i < view->count; i++) {
        ecs_write(view, Badge)[i].text += " of the first class";
        ecs_cmd_spawn_with(view->cmd, (Badge, Badge("spawned by a command, and quite long")));
        ecs_cmd_remove(view->cmd, view->entities[i], Badge);
        ecs_cmd_set(view->cmd, view->entities[i], Badge, ecs_read(view, Badge)[i]);
    }
    return ECS_OK;
}

static void classes()
{
    ecs_world *world = ecs_world_create(nullptr);
    ecs_entity e = ecs_spawn_with(world, (Badge));
    ecs_entity f = ecs_spawn_with(world, (Badge, Badge("second, and also rather long a text")));
    CHECK(Badge::live == 2);
    CHECK(ecs_get(world, e, Badge)->text.substr(0, 7) == "no name");
    CHECK(ecs_set(world, e, Badge, Badge("first, and also rather long a text")) == ECS_OK);
    ecs_get_mut(world, f, Badge)->text += "!";
    ecs_system_add(world, &call, ECS_UPDATE);
    CHECK(ecs_tick(world, 0.1f) == ECS_OK);
    CHECK(Badge::live == 4);
    CHECK(ecs_get(world, f, Badge)->text ==
          "second, and also rather long a text! of the first class");
    CHECK(ecs_remove(world, e, Badge) == ECS_OK);
    CHECK(Badge::live == 3);
    ecs_world_destroy(world);
    CHECK(Badge::live == 0);
}

static void untyped()
{
    using namespace game; /* the typed calls paste names, so a qualified one does not do */
    std::unique_ptr<ecs_world, void (*)(ecs_world *)> world(ecs_world_create(nullptr),
                                                            ecs_world_destroy);
    std::vector<ecs_entity> all;
    Name name("a name that is too long for the small string inside");
    for (int i = 0; i < 500; i++) {
        ecs_value value = {&name_type, &name};
        all.push_back(ecs_spawn_values(world.get(), &value, 1));
    }
    CHECK(Name::live == 501);
    for (std::size_t i = 0; i < all.size(); i += 2) ecs_despawn(world.get(), all[i]);
    for (std::size_t i = 1; i < all.size(); i += 2) {
        CHECK(name_of(world.get(), all[i])->text == name.text);
        CHECK(ecs_add(world.get(), all[i], Player) == ECS_OK);
        CHECK(ecs_cmd_set_type(ecs_world_commands(world.get()), all[i], &name_type, &name) ==
              ECS_OK);
    }
    CHECK(Name::live == 1 + 250 + 250);
    CHECK(ecs_flush(world.get()) == ECS_OK);
    CHECK(Name::live == 251);
    CHECK(!ecs_is_null(ecs_clone(world.get(), all[1])));
    CHECK(ecs_shrink(world.get()) > 0);
    CHECK(name_of(world.get(), all[1])->text.size() == name.text.size());
    world.reset();
    CHECK(Name::live == 1);
}

int main()
{
    game::typed();
    classes();
    untyped();
    return failures == 0 ? 0 : 1;
}
PROGRAM

passed=0
failed=0
skipped=0

try() {
    if "$@" && "$dir/program"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $*"
    fi
}

for cxx in g++ clang++; do
    if ! command -v $cxx >/dev/null 2>&1; then
        echo "skip: C++: no $cxx"
        skipped=$((skipped + 1))
        continue
    fi
    try $cxx -std=c++17 $flags -DHEADER="\"$header\"" "$dir/program.cpp" -o "$dir/program"
    try $cxx -std=c++20 $flags -DHEADER="\"$header\"" "$dir/program.cpp" -o "$dir/program"
    # The library as C, its user as C++.
    echo "#define ECS_IMPLEMENTATION" >"$dir/library.c"
    echo "#include \"$header\"" >>"$dir/library.c"
    ${CC:-cc} -std=c11 $flags -c "$dir/library.c" -o "$dir/library.o" || exit 1
    try $cxx -std=c++17 $flags -DECS_LINKED -DHEADER="\"$header\"" "$dir/program.cpp" \
        "$dir/library.o" -o "$dir/program"
done

echo "cpp: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
