/* schedule.c: the order of systems and phases, conditions, intervals, fixed steps, exclusive
 * systems, tasks, failures, and what is refused. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct X { float value; } X;
ECS_COMPONENT(X, value);
typedef struct Y { float value; } Y;
ECS_COMPONENT(Y, value);
typedef struct Z { float value; } Z;
ECS_COMPONENT(Z, value);
ECS_TAG(Marked);
typedef struct Score { int64_t value; } Score;
ECS_RESOURCE(Score, value);

/* Each system that runs writes its letter, on whatever worker it runs. */
static char ran[512];
static float last_dt;
static char ran_lock;

static void note(char letter)
{
    while (__atomic_test_and_set(&ran_lock, __ATOMIC_ACQUIRE)) continue;
    size_t at = strlen(ran);
    REQUIRE(at + 1 < sizeof ran);
    ran[at] = letter;
    ran[at + 1] = 0;
    __atomic_clear(&ran_lock, __ATOMIC_RELEASE);
}

/* Systems that do not conflict have no order on several workers. */
#ifdef ECSI_FORCE_SHARING
#define SHARED_WORLDS 1
#else
#define SHARED_WORLDS 0
#endif

/* As CHECK_RAN; on several workers only the letters of `chain` have this order. */
static void check_ran_chain(const char *text, const char *chain)
{
    const char *at = ran;
    CHECK_EQ_U64(strlen(ran), strlen(text));
    for (; *chain != 0 && at != NULL; chain++) at = strchr(at, *chain);
    CHECK(at != NULL);
    if (SHARED_WORLDS == 0) CHECK_STR(ran, text);
    ran[0] = 0;
}

#define CHECK_RAN(text)                                                            \
    do {                                                                           \
        CHECK_STR(ran, text);                                                      \
        ran[0] = 0;                                                                \
    } while (0)

static char logged[4096];

static void keep_log(ecs_log_level level, const char *text, void *user)
{
    size_t at = strlen(logged);
    (void)level;
    (void)user;
    snprintf(logged + at, sizeof logged - at, "%s\n", text);
}

static ecs_world *world_make(bool strict)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.strict = strict;
    desc.log = keep_log;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    ran[0] = 0;
    logged[0] = 0;
    return world;
}

/* A system of one letter, its own name, and terms as text: "w" or "r" and x, y, z. */
static ecs_status letter_run(const ecs_view *view)
{
    float dt = view->dt;
    note(*(const char *)view->user);
    __atomic_store(&last_dt, &dt, __ATOMIC_RELAXED);
    return ECS_OK;
}

static ecs_status letter_run_exclusive(ecs_world *world, const ecs_view *view)
{
    (void)world;
    note(*(const char *)view->user);
    return ECS_OK;
}

typedef struct letter {
    char name[2];
    ecs_term terms[4];
    ecs_system system;
    ecs_system_desc desc;
} letter;

static const ecs_type *type_of_letter(char c)
{
    return c == 'x' ? ecs_type_of(X) : c == 'y' ? ecs_type_of(Y) : ecs_type_of(Z);
}

/* terms: pairs such as "wx ry"; "" is a task. */
static letter *letter_make(letter *l, char name, const char *terms)
{
    uint32_t count = 0;
    memset(l, 0, sizeof *l);
    l->name[0] = name;
    for (; *terms != 0; terms += terms[2] == ' ' ? 3 : 2) {
        l->terms[count].type = type_of_letter(terms[1]);
        l->terms[count].access = terms[0] == 'w' ? ECS_ACCESS_WRITE : ECS_ACCESS_READ;
        count++;
    }
    l->system.name = l->name;
    l->system.terms = l->terms;
    l->system.term_count = count;
    l->system.run = letter_run;
    l->desc.system = &l->system;
    l->desc.user = l->name;
    return l;
}

/* On several workers tasks write one resource, so that their order is that of registration. */
static void letter_add(ecs_world *world, letter *l)
{
    if (SHARED_WORLDS != 0 && l->system.run != NULL && l->system.term_count == 0) {
        l->terms[0].type = ecs_type_of(Score);
        l->terms[0].access = ECS_ACCESS_RES_WRITE;
        l->system.term_count = 1;
    }
    REQUIRE_STATUS(ecs_system_add_desc(world, &l->desc), ECS_OK);
}

static void add(ecs_world *world, letter *l, char name, const char *terms)
{
    letter_add(world, letter_make(l, name, terms));
}

/* One entity with all three components: every system runs once a tick. */
static void spawn_xyz(ecs_world *world)
{
    REQUIRE(!ecs_is_null(ecs_spawn_with(world, (X), (Y), (Z))));
}

static const char *explained(const ecs_world *world)
{
    static char text[8192];
    size_t bytes = ecs_explain_schedule(world, text, sizeof text);
    CHECK(bytes < sizeof text);
    return text;
}

/* ---- Order -------------------------------------------------------------------------------- */

/* The case that an earlier design got wrong. */
TEST(schedule_chain_of_conflicts_runs_in_order_of_registration)
{
    ecs_world *world = world_make(false);
    letter a, b, c;
    spawn_xyz(world);
    add(world, &a, 'A', "wx");
    add(world, &b, 'B', "wx wy");
    add(world, &c, 'C', "wy");
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("ABC");
    ecs_world_destroy(world);
}

TEST(schedule_independent_systems_run_in_order_of_registration_too)
{
    ecs_world *world = world_make(false);
    letter a, b, c;
    spawn_xyz(world);
    add(world, &c, 'C', "wz");
    add(world, &a, 'A', "wx");
    add(world, &b, 'B', "rx");
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_ran_chain("CAB", "AB");
    ecs_world_destroy(world);
}

TEST(schedule_before_and_after_reorder)
{
    ecs_world *world = world_make(false);
    letter a, b, c, d;
    spawn_xyz(world);
    letter_make(&a, 'A', "wx")->desc.after[0] = "C";
    letter_add(world, &a);
    add(world, &b, 'B', "wy");
    add(world, &c, 'C', "wx");
    letter_make(&d, 'D', "wz")->desc.before[0] = "B";
    d.desc.before[1] = "C";
    letter_add(world, &d);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK(strchr(ran, 'B') > strchr(ran, 'D'));
    check_ran_chain("DBCA", "DCA");
    ecs_world_destroy(world);
}

TEST(schedule_conflict_follows_an_explicit_path)
{
    /* C before A was said; B conflicts with both, and nothing may become a cycle. */
    ecs_world *world = world_make(false);
    letter a, b, c;
    spawn_xyz(world);
    add(world, &a, 'A', "wx");
    add(world, &b, 'B', "wx wy");
    letter_make(&c, 'C', "wy")->desc.before[0] = "A";
    letter_add(world, &c);
    CHECK_STATUS(ecs_schedule_build(world), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    const char *at_a = strchr(ran, 'A');
    const char *at_c = strchr(ran, 'C');
    CHECK(at_a != NULL && at_c != NULL && strchr(ran, 'B') != NULL);
    CHECK(at_c < at_a);
    ecs_world_destroy(world);
}

TEST(schedule_cycle_is_reported_with_its_names)
{
    ecs_world *world = world_make(false);
    letter a, b, c, d;
    letter_make(&a, 'P', "wx")->desc.before[0] = "Q";
    letter_make(&b, 'Q', "wy")->desc.before[0] = "R";
    letter_make(&c, 'R', "wz")->desc.before[0] = "P";
    letter_add(world, &a);
    letter_add(world, &b);
    letter_add(world, &c);
    add(world, &d, 'S', "wx");
    CHECK_STATUS(ecs_schedule_build(world), ECS_CYCLE);
    CHECK_CONTAINS(logged, "cycle");
    CHECK_CONTAINS(logged, "P");
    CHECK_CONTAINS(logged, "Q");
    CHECK_CONTAINS(logged, "R");
    CHECK_CONTAINS(explained(world), "cycle");
    spawn_xyz(world);
    CHECK_STATUS(ecs_tick(world, 0), ECS_CYCLE);
    CHECK_RAN(""); /* nothing runs without an order */
    ecs_world_destroy(world);
}

TEST(schedule_cycle_of_one_system_with_itself_is_reported)
{
    ecs_world *world = world_make(false);
    letter a;
    letter_make(&a, 'P', "")->desc.after[0] = "P";
    if (ecs_system_add_desc(world, &a.desc) == ECS_OK) {
        CHECK_STATUS(ecs_schedule_build(world), ECS_CYCLE);
    }
    ecs_world_destroy(world);
}

TEST(schedule_unknown_name_is_reported)
{
    ecs_world *world = world_make(false);
    letter a;
    letter_make(&a, 'A', "wx")->desc.before[0] = "nobody";
    letter_add(world, &a);
    CHECK_STATUS(ecs_schedule_build(world), ECS_NOT_FOUND);
    CHECK_CONTAINS(logged, "nobody");
    CHECK_CONTAINS(logged, "A");
    CHECK_STATUS(ecs_tick(world, 0), ECS_NOT_FOUND);
    letter b;
    letter_make(&b, 'B', "wx");
    b.desc.name = "nobody"; /* named now: the schedule can be built */
    letter_add(world, &b);
    CHECK_STATUS(ecs_schedule_build(world), ECS_OK);
    ecs_world_destroy(world);
}

TEST(schedule_order_name_of_another_phase_is_unknown)
{
    ecs_world *world = world_make(false);
    letter a, b;
    letter_make(&a, 'A', "")->desc.phase = ECS_FIRST;
    letter_add(world, &a);
    letter_make(&b, 'B', "")->desc.after[0] = "A";
    letter_add(world, &b);
    CHECK_STATUS(ecs_schedule_build(world), ECS_NOT_FOUND);
    ecs_world_destroy(world);
}

TEST(schedule_strict_mode_names_both_systems_and_the_component)
{
    ecs_world *world = world_make(true);
    letter a, b;
    add(world, &a, 'P', "wx wy");
    add(world, &b, 'Q', "ry rz");
    CHECK_STATUS(ecs_schedule_build(world), ECS_CONFLICT);
    CHECK_CONTAINS(logged, "P");
    CHECK_CONTAINS(logged, "Q");
    CHECK_CONTAINS(logged, "Y");
    CHECK_CONTAINS(explained(world), "Y");
    CHECK_STATUS(ecs_tick(world, 0), ECS_CONFLICT);
    ecs_world_destroy(world);
}

TEST(schedule_strict_mode_is_content_with_an_order)
{
    ecs_world *world = world_make(true);
    letter a, b, c, d;
    spawn_xyz(world);
    add(world, &a, 'A', "wx");
    letter_make(&b, 'B', "wx")->desc.before[0] = "A";
    letter_add(world, &b);
    letter_make(&c, 'C', "rx")->desc.after[0] = "A"; /* so also after B */
    letter_add(world, &c);
    add(world, &d, 'D', "rz"); /* reads only: no conflict with anybody */
    CHECK_STATUS(ecs_schedule_build(world), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_ran_chain("BACD", "BAC");
    ecs_world_destroy(world);
}

ECS_SYSTEM(score_writer, RES_WRITE(Score))
{
    note('w');
    return ECS_OK;
}

ECS_SYSTEM(score_reader, RES_READ(Score))
{
    note('r');
    return ECS_OK;
}

ECS_SYSTEM(looks_up_x, LOOKUP(X))
{
    note('l');
    return ECS_OK;
}

TEST(schedule_resources_and_lookups_conflict_like_columns)
{
    ecs_world *world = world_make(true);
    letter a;
    ecs_system_add(world, &score_writer, ECS_UPDATE);
    ecs_system_add(world, &score_reader, ECS_UPDATE);
    CHECK_STATUS(ecs_schedule_build(world), ECS_CONFLICT);
    CHECK_CONTAINS(logged, "score_writer");
    CHECK_CONTAINS(logged, "score_reader");
    CHECK_CONTAINS(logged, "Score");
    ecs_world_destroy(world);
    world = world_make(true);
    ecs_system_add(world, &looks_up_x, ECS_UPDATE);
    add(world, &a, 'A', "wx");
    CHECK_STATUS(ecs_schedule_build(world), ECS_CONFLICT);
    ecs_world_destroy(world);
}

TEST(schedule_build_is_kept_until_something_changes)
{
    ecs_world *world = world_make(false);
    letter a, b;
    spawn_xyz(world);
    add(world, &a, 'A', "wx");
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    letter_make(&b, 'B', "wx")->desc.before[0] = "A";
    letter_add(world, &b);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("ABA");
    ecs_world_destroy(world);
}

/* ---- Phases ------------------------------------------------------------------------------- */

TEST(schedule_default_phases_run_in_order)
{
    static const ecs_phase phases[6] = {ECS_LAST,   ECS_POST_UPDATE,   ECS_PHASE_DEFAULT,
                                        ECS_UPDATE, ECS_PRE_UPDATE, ECS_FIRST};
    ecs_world *world = world_make(false);
    letter l[6];
    for (int i = 0; i < 6; i++) {
        letter_make(&l[i], (char)('A' + i), "")->desc.phase = phases[i];
        letter_add(world, &l[i]);
    }
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("FECDBA");
    ecs_world_destroy(world);
}

static ecs_phase phase_add(ecs_world *world, const char *name, ecs_phase after, ecs_phase before)
{
    ecs_phase_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.after = after;
    desc.before = before;
    return ecs_phase_add(world, &desc);
}

TEST(schedule_user_phases_run_where_they_were_put)
{
    ecs_world *world = world_make(false);
    ecs_phase physics = phase_add(world, "physics", ECS_UPDATE, 0);
    ecs_phase input = phase_add(world, "input", 0, ECS_FIRST);
    ecs_phase end = phase_add(world, "end", 0, 0);
    ecs_phase collide = phase_add(world, "collide", physics, 0);
    ecs_phase list[6] = {end, collide, physics, input, ECS_UPDATE, ECS_POST_UPDATE};
    letter l[6];
    for (int i = 0; i < 6; i++) {
        REQUIRE(list[i] != 0);
        letter_make(&l[i], (char)('A' + i), "")->desc.phase = list[i];
        letter_add(world, &l[i]);
    }
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("DECBFA");
    CHECK_EQ_U64(ecs_phase_find(world, "physics"), physics);
    CHECK_EQ_U64(ecs_phase_find(world, "nothing"), 0);
    ecs_world_destroy(world);
}

TEST(schedule_phase_refusals)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.phases_max = 6;
    ecs_world *world = ecs_world_create(&desc);
    CHECK(phase_add(world, "one", 0, 0) != 0);
    CHECK_EQ_U64(phase_add(world, "one", 0, 0), 0);
    CHECK_STATUS(ecs_world_status(world), ECS_EXISTS);
    CHECK_EQ_U64(phase_add(world, "two", 0, 0), 0);
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    ecs_world_destroy(world);
}

ECS_SYSTEM(mark_all, WITH(X))
{
    for (uint32_t i = 0; i < view->count; i++) ecs_cmd_add(view->cmd, view->entities[i], Marked);
    return ECS_OK;
}

ECS_SYSTEM(see_marked, WITH(Marked))
{
    note('m');
    return ECS_OK;
}

TEST(schedule_commands_are_applied_at_the_end_of_the_phase)
{
    ecs_world *world = world_make(false);
    ecs_system_desc late;
    memset(&late, 0, sizeof late);
    late.system = &see_marked;
    late.name = "late";
    late.phase = ECS_POST_UPDATE;
    spawn_xyz(world);
    ecs_system_add(world, &mark_all, ECS_UPDATE);
    ecs_system_add(world, &see_marked, ECS_UPDATE);
    REQUIRE_STATUS(ecs_system_add_desc(world, &late), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("m"); /* the late one only */
    ecs_world_destroy(world);
}

/* ---- Conditions --------------------------------------------------------------------------- */

static bool if_score(const ecs_world *world, void *user)
{
    const Score *score = ecs_resource_get(world, Score);
    CHECK(user != NULL);
    return score != NULL && score->value > 0;
}

TEST(schedule_run_if_decides)
{
    ecs_world *world = world_make(false);
    letter a;
    letter_make(&a, 'A', "")->desc.run_if = if_score;
    letter_add(world, &a);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("");
    ecs_resource_set(world, Score, {1});
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("A");
    ecs_resource_set(world, Score, {0});
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("");
    ecs_world_destroy(world);
}

TEST(schedule_every_ticks_counts)
{
    ecs_world *world = world_make(false);
    letter a, b, c;
    letter_make(&a, 'A', "")->desc.every_ticks = 3;
    letter_make(&b, 'B', "")->desc.every_ticks = 1;
    letter_make(&c, 'C', "")->desc.every_ticks = 2;
    letter_add(world, &a);
    letter_add(world, &b);
    letter_add(world, &c);
    for (int i = 0; i < 6; i++) CHECK_STATUS(ecs_tick(world, 0.25f), ECS_OK);
    CHECK_RAN("BBCABBCBABC");
    CHECK(last_dt > 0.49f && last_dt < 0.51f); /* of C: two ticks */
    ecs_world_destroy(world);
}

TEST(schedule_interval_runs_when_the_time_has_passed)
{
    ecs_world *world = world_make(false);
    letter a;
    letter_make(&a, 'A', "")->desc.interval_s = 1.0f;
    letter_add(world, &a);
    for (int i = 0; i < 3; i++) CHECK_STATUS(ecs_tick(world, 0.3125f), ECS_OK);
    CHECK_RAN("");
    CHECK_STATUS(ecs_tick(world, 0.3125f), ECS_OK);
    CHECK_RAN("A");
    CHECK(last_dt > 1.249f && last_dt < 1.251f); /* since its last run */
    CHECK_STATUS(ecs_tick(world, 5.0f), ECS_OK);
    CHECK_RAN("A"); /* an interval does not catch up */
    CHECK(last_dt > 4.99f && last_dt < 5.01f);
    CHECK_STATUS(ecs_tick(world, 0.5f), ECS_OK);
    CHECK_RAN("");
    ecs_world_destroy(world);
}

TEST(schedule_enable_and_disable)
{
    ecs_world *world = world_make(false);
    letter a, b;
    add(world, &a, 'A', "");
    letter_make(&b, 'B', "")->desc.disabled = true;
    letter_add(world, &b);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("A");
    CHECK_STATUS(ecs_system_enable(world, "B", true), ECS_OK);
    CHECK_STATUS(ecs_system_enable(world, "A", false), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("B");
    CHECK_STATUS(ecs_system_enable(world, "C", true), ECS_NOT_FOUND);
    ecs_world_destroy(world);
}

/* ---- Fixed steps -------------------------------------------------------------------------- */

TEST(schedule_fixed_step_saves_time_up)
{
    ecs_world *world = world_make(false);
    letter a;
    letter_make(&a, 'A', "")->desc.step_s = 0.25f;
    letter_add(world, &a);
    CHECK_STATUS(ecs_tick(world, 0.125f), ECS_OK);
    CHECK_RAN("");
    CHECK(ecs_system_alpha(world, "A") > 0.49f && ecs_system_alpha(world, "A") < 0.51f);
    CHECK_STATUS(ecs_tick(world, 0.125f), ECS_OK);
    CHECK_RAN("A");
    CHECK(ecs_system_alpha(world, "A") < 0.01f);
    CHECK_STATUS(ecs_tick(world, 0.8125f), ECS_OK);
    CHECK_RAN("AAA");
    CHECK(last_dt > 0.249f && last_dt < 0.251f);
    CHECK(ecs_system_alpha(world, "A") > 0.24f && ecs_system_alpha(world, "A") < 0.26f);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("");
    ecs_world_destroy(world);
}

TEST(schedule_fixed_step_cap_drops_the_surplus)
{
    ecs_world *world = world_make(false);
    letter a, b;
    letter_make(&a, 'A', "")->desc.step_s = 0.125f;
    a.desc.steps_max = 2;
    letter_make(&b, 'B', "")->desc.step_s = 0.125f; /* default cap: 4 */
    letter_add(world, &a);
    letter_add(world, &b);
    CHECK_STATUS(ecs_tick(world, 100.0f), ECS_OK);
    CHECK_RAN("AABBBB");
    CHECK_STATUS(ecs_tick(world, 0.0625f), ECS_OK);
    CHECK_RAN(""); /* nothing of the 100 seconds is left */
    CHECK(ecs_system_alpha(world, "A") <= 1.0f);
    ecs_world_destroy(world);
}

TEST(schedule_fixed_step_runs_as_often_as_time_says)
{
    ecs_world *world = world_make(false);
    letter a;
    uint64_t state = test_seed();
    double time_s = 0;
    uint32_t runs = 0;
    letter_make(&a, 'A', "")->desc.step_s = 0.015625f;
    letter_add(world, &a);
    for (int i = 0; i < 2000; i++) {
        float dt = (float)test_random_below(&state, 60) / 1024.0f;
        time_s += (double)dt;
        CHECK_STATUS(ecs_tick(world, dt), ECS_OK);
        runs += (uint32_t)strlen(ran);
        ran[0] = 0;
    }
    CHECK_EQ_U64(runs, (uint64_t)(time_s / 0.015625));
    ecs_world_destroy(world);
}

TEST(schedule_fixed_step_phase_runs_all_its_systems_each_step)
{
    ecs_world *world = world_make(false);
    ecs_phase_desc phase;
    letter a, b, c;
    memset(&phase, 0, sizeof phase);
    phase.name = "physics";
    phase.before = ECS_UPDATE;
    phase.step_s = 0.5f;
    phase.steps_max = 3;
    ecs_phase physics = ecs_phase_add(world, &phase);
    REQUIRE(physics != 0);
    letter_make(&a, 'A', "")->desc.phase = physics;
    letter_make(&b, 'B', "")->desc.phase = physics;
    letter_add(world, &a);
    letter_add(world, &b);
    add(world, &c, 'C', "");
    CHECK_STATUS(ecs_tick(world, 0.25f), ECS_OK);
    CHECK_RAN("C");
    CHECK(ecs_system_alpha(world, "A") > 0.49f && ecs_system_alpha(world, "A") < 0.51f);
    CHECK(ecs_system_alpha(world, "C") < 0.01f);
    CHECK_STATUS(ecs_tick(world, 0.75f), ECS_OK);
    CHECK_RAN("ABABC");
    CHECK_STATUS(ecs_tick(world, 9.0f), ECS_OK);
    CHECK_RAN("ABABABC");
    ecs_world_destroy(world);
}

ECS_SYSTEM(spawn_each_step, RES_READ(Score))
{
    ecs_cmd_spawn_with(view->cmd, (Marked));
    return ECS_OK;
}

TEST(schedule_fixed_step_phase_is_flushed_each_step)
{
    ecs_world *world = world_make(false);
    ecs_phase_desc phase;
    memset(&phase, 0, sizeof phase);
    phase.name = "physics";
    phase.step_s = 0.5f;
    ecs_phase physics = ecs_phase_add(world, &phase);
    ecs_system_add(world, &see_marked, physics);
    ecs_system_add(world, &spawn_each_step, physics);
    CHECK_STATUS(ecs_tick(world, 1.5f), ECS_OK);
    CHECK_RAN("mm"); /* steps two and three see what the one before spawned */
    CHECK_EQ_U64(ecs_entity_count(world), 3);
    ecs_world_destroy(world);
}

/* ---- Exclusive systems, tasks, init and fini ---------------------------------------------- */

ECS_EXCLUSIVE(edit_all)
{
    CHECK(view->cmd != NULL);
    /* What was recorded before it in the phase has been applied. */
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Marked)), 1);
    note('e');
    ecs_entity e = ecs_spawn_with(world, (Y));
    CHECK(ecs_alive(world, e));
    CHECK_STATUS(ecs_add(world, e, Marked), ECS_OK);
    return ECS_OK;
}

TEST(schedule_exclusive_system_is_a_flush_point_and_may_edit)
{
    ecs_world *world = world_make(false);
    letter a;
    ecs_spawn_with(world, (X));
    ecs_system_add(world, &mark_all, ECS_UPDATE);
    ecs_system_add(world, &edit_all, ECS_UPDATE);
    add(world, &a, 'A', "wy"); /* sees the Y that was spawned */
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("eA");
    CHECK_EQ_U64(ecs_entity_count(world), 2);
    ecs_world_destroy(world);
}

TEST(schedule_exclusive_system_conflicts_with_all)
{
    ecs_world *world = world_make(true);
    letter a, b;
    add(world, &a, 'P', "rx");
    letter_make(&b, 'Q', "")->system.run = NULL;
    b.system.run_exclusive = letter_run_exclusive;
    letter_add(world, &b);
    CHECK_STATUS(ecs_schedule_build(world), ECS_CONFLICT);
    CHECK_CONTAINS(logged, "P");
    CHECK_CONTAINS(logged, "Q");
    ecs_world_destroy(world);
}

TEST(schedule_system_without_columns_runs_once)
{
    ecs_world *world = world_make(false);
    for (int i = 0; i < 10; i++) spawn_xyz(world);
    ecs_system_add(world, &score_writer, ECS_UPDATE);
    ecs_system_add(world, &score_reader, ECS_UPDATE);
    ecs_system_add(world, &looks_up_x, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_ran_chain("wrl", "wr");
    CHECK_EQ_U64(ecs_tick_last(world)->systems_run, 3);
    ecs_world_destroy(world);
}

ECS_TASK(count_task)
{
    CHECK_EQ_U64(view->count, 0);
    CHECK(view->world != NULL);
    CHECK(view->cmd != NULL);
    CHECK(view->dt > 0.49f && view->dt < 0.51f);
    CHECK_EQ_U64(view->tick, ecs_world_tick(view->world));
    note('t');
    return ECS_OK;
}

TEST(schedule_task_runs_once_a_tick)
{
    ecs_world *world = world_make(false);
    ecs_system_add(world, &count_task, ECS_UPDATE);
    for (int i = 0; i < 3; i++) CHECK_STATUS(ecs_tick(world, 0.5f), ECS_OK);
    CHECK_RAN("ttt");
    ecs_world_destroy(world);
}

static ecs_status init_notes(ecs_world *world, void *user)
{
    CHECK(world != NULL);
    note('(');
    note(*(const char *)user);
    return ECS_OK;
}

static ecs_status init_fails(ecs_world *world, void *user)
{
    CHECK(world != NULL);
    CHECK(user != NULL);
    return ECS_NO_MEMORY;
}

static void fini_notes(ecs_world *world, void *user)
{
    CHECK(world != NULL);
    note(*(const char *)user);
    note(')');
}

TEST(schedule_init_runs_at_once_and_fini_at_the_end)
{
    ecs_world *world = world_make(false);
    letter a, b;
    letter_make(&a, 'A', "")->desc.init = init_notes;
    a.desc.fini = fini_notes;
    letter_add(world, &a);
    CHECK_RAN("(A");
    letter_make(&b, 'B', "")->desc.init = init_fails;
    b.desc.fini = fini_notes;
    CHECK_STATUS(ecs_system_add_desc(world, &b.desc), ECS_NO_MEMORY);
    CHECK_STATUS(ecs_system_enable(world, "B", true), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    ecs_world_destroy(world);
    CHECK_RAN("AA)"); /* no fini of what was not added */
}

static ecs_status init_edits(ecs_world *world, void *user)
{
    CHECK(user != NULL);
    return ecs_is_null(ecs_spawn_with(world, (Z, {3}))) ? ECS_FAILED : ECS_OK;
}

TEST(schedule_init_may_edit)
{
    ecs_world *world = world_make(false);
    letter a;
    letter_make(&a, 'A', "wz")->desc.init = init_edits;
    letter_add(world, &a);
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("A");
    ecs_world_destroy(world);
}

/* ---- What a tick refuses ------------------------------------------------------------------ */

static ecs_world *outer;

ECS_SYSTEM(nested, WITH(X))
{
    CHECK_STATUS(ecs_tick(outer, 0), ECS_LOCKED);
    CHECK_STATUS(ecs_flush(outer), ECS_LOCKED);
    CHECK(ecs_is_null(ecs_spawn(outer)));
    CHECK_STATUS(ecs_world_status(outer), ECS_LOCKED);
    CHECK_STATUS(ecs_despawn(outer, view->entities[0]), ECS_LOCKED);
    CHECK_STATUS(ecs_set(outer, view->entities[0], Y, {1}), ECS_LOCKED);
    CHECK_STATUS(ecs_remove(outer, view->entities[0], X), ECS_LOCKED);
    CHECK(ecs_resource_mut(outer, Score) == NULL);
    note('n');
    return ECS_OK;
}

ECS_EXCLUSIVE(nested_exclusive)
{
    ecs_phase_desc phase;
    memset(&phase, 0, sizeof phase);
    phase.name = "late";
    CHECK_STATUS(ecs_tick(world, 0), ECS_LOCKED);
    CHECK_STATUS(ecs_system_add(world, &score_reader, ECS_UPDATE), ECS_LOCKED);
    CHECK_STATUS(ecs_system_enable(world, "nested", false), ECS_LOCKED);
    CHECK_EQ_U64(ecs_phase_add(world, &phase), 0);
    CHECK_STATUS(ecs_world_status(world), ECS_LOCKED);
    note('e');
    return ECS_OK;
}

TEST(schedule_nested_tick_and_edits_are_refused)
{
    outer = world_make(false);
    spawn_xyz(outer);
    ecs_system_add(outer, &nested, ECS_UPDATE);
    ecs_system_add(outer, &nested_exclusive, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(outer, 0), ECS_OK);
    CHECK_RAN("ne");
    CHECK(!ecs_is_null(ecs_spawn(outer))); /* the lock is gone */
    ecs_world_destroy(outer);
}

TEST(schedule_add_refusals)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.systems_max = 2;
    ecs_world *world = ecs_world_create(&desc);
    letter a, b, c, twice, both;
    letter_make(&twice, 'T', "wx wx");
    CHECK_STATUS(ecs_system_add_desc(world, &twice.desc), ECS_INVALID);
    letter_make(&both, 'U', "wx");
    both.terms[1].type = ecs_type_of(X);
    both.terms[1].access = ECS_ACCESS_NOT;
    both.system.term_count = 2;
    CHECK_STATUS(ecs_system_add_desc(world, &both.desc), ECS_INVALID);
    letter_make(&c, 'C', "wx")->desc.phase = 99;
    CHECK_STATUS(ecs_system_add_desc(world, &c.desc), ECS_INVALID);
    add(world, &a, 'A', "wx");
    CHECK_STATUS(ecs_system_add_desc(world, &a.desc), ECS_EXISTS);
    add(world, &b, 'B', "wx");
    c.desc.phase = ECS_UPDATE;
    CHECK_STATUS(ecs_system_add_desc(world, &c.desc), ECS_FULL);
    CHECK_EQ_U64(ecs_world_stats(world).system_count, 2);
    ecs_world_destroy(world);
}

TEST(schedule_system_is_copied)
{
    ecs_world *world = world_make(false);
    spawn_xyz(world);
    {
        letter gone;
        static char user[2] = "G";
        letter_make(&gone, 'G', "wx")->desc.user = user;
        gone.desc.before[0] = "H";
        letter_add(world, &gone);
        memset(&gone, 0x5a, sizeof gone);
    }
    letter h;
    add(world, &h, 'H', "wx");
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("GH");
    ecs_world_destroy(world);
}

TEST(schedule_ticks_count_from_one)
{
    ecs_world *world = world_make(false);
    uint64_t before = ecs_world_tick(world);
    for (int i = 0; i < 5; i++) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_world_tick(world), before + 5);
    CHECK_EQ_U64(ecs_tick_last(world)->tick, before + 5);
    ecs_world_destroy(world);
}

/* ---- Failures ----------------------------------------------------------------------------- */

static uint32_t spans;

/* Fails in the row blocks that hold a negative X; writes and records in all of them. */
ECS_SYSTEM(fails_at_negative, WRITE(X))
{
    X *x = ecs_write(view, X);
    bool bad = false;
    __atomic_fetch_add(&spans, 1, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < view->count; i++) {
        bad = bad || x[i].value < 0;
        x[i].value += 100;
        ecs_cmd_add(view->cmd, view->entities[i], Marked);
    }
    return !bad ? ECS_OK : view->base == 64 ? ECS_NOT_FOUND : ECS_FAILED;
}

/* 300 rows in row blocks of 64: those at 64 and 192 fail. */
static ecs_world *world_that_fails(ecs_on_error policy, ecs_entity *first)
{
    ecs_world_desc desc;
    ecs_system_desc system;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&desc);
    for (int i = 0; i < 300; i++) {
        ecs_entity e = ecs_spawn_with(world, (X, {i == 70 || i == 200 ? -1.0f : 1.0f}));
        if (i == 0) *first = e;
    }
    ecs_component_register(world, ecs_type_of(Marked), NULL);
    memset(&system, 0, sizeof system);
    system.system = &fails_at_negative;
    system.on_error = policy;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    ran[0] = 0;
    spans = 0;
    return world;
}

TEST(schedule_failed_system_runs_all_its_row_blocks)
{
    ecs_entity first;
    ecs_world *world = world_that_fails(ECS_FAIL_FAST, &first);
    CHECK_STATUS(ecs_tick(world, 0), ECS_NOT_FOUND);
    CHECK_EQ_U64(spans, 5);
    const ecs_tick_report *report = ecs_tick_last(world);
    CHECK_STATUS(report->status, ECS_NOT_FOUND);
    REQUIRE(report->failure_count == 1);
    CHECK_STR(report->failures[0].system, "fails_at_negative");
    CHECK_STR(report->failures[0].phase, "update");
    CHECK_STATUS(report->failures[0].status, ECS_NOT_FOUND); /* of the lowest block */
    CHECK_EQ_U64(report->failures[0].row_block, 1);
    CHECK_EQ_U64(report->failures[0].tick, ecs_world_tick(world));
    ecs_world_destroy(world);
}

TEST(schedule_failed_system_keeps_writes_and_loses_commands)
{
    ecs_entity first;
    ecs_world *world = world_that_fails(ECS_SKIP, &first);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK(ecs_get(world, first, X)->value > 100);
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Marked)), 0);
    CHECK_EQ_U64(ecs_tick_last(world)->commands_dropped, 300);
    CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 1);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK); /* no negative value is left */
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Marked)), 300);
    CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 0);
    ecs_world_destroy(world);
}

static ecs_status letter_fails(const ecs_view *view)
{
    note(*(const char *)view->user);
    return ECS_FAILED;
}

TEST(schedule_fail_fast_skips_successors_and_stops_the_tick)
{
    ecs_world *world = world_make(false);
    letter a, b, c, d, e;
    spawn_xyz(world);
    letter_make(&a, 'A', "wx")->system.run = letter_fails;
    letter_add(world, &a);
    add(world, &b, 'B', "wx wy");           /* after A */
    add(world, &c, 'C', "ry");              /* after B, so after A */
    add(world, &d, 'D', "wz");              /* independent */
    letter_make(&e, 'E', "")->desc.phase = ECS_LAST;
    letter_add(world, &e);
    ecs_system_add(world, &mark_all, ECS_UPDATE); /* WITH reads nothing: independent */
    CHECK_STATUS(ecs_tick(world, 0), ECS_FAILED);
    check_ran_chain("AD", "A");
    CHECK_EQ_U64(ecs_tick_last(world)->systems_skipped, 2);
    CHECK_EQ_U64(ecs_tick_last(world)->systems_run, 3);
    /* The phase was finished: what others recorded is there. */
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Marked)), 1);
    CHECK_STATUS(ecs_tick(world, 0), ECS_FAILED); /* the next tick starts afresh */
    check_ran_chain("AD", "A");
    ecs_world_destroy(world);
}

TEST(schedule_skip_goes_on)
{
    ecs_world *world = world_make(false);
    letter a, b, c;
    spawn_xyz(world);
    letter_make(&a, 'A', "wx")->system.run = letter_fails;
    a.desc.on_error = ECS_SKIP;
    letter_add(world, &a);
    add(world, &b, 'B', "wx");
    letter_make(&c, 'C', "")->desc.phase = ECS_LAST;
    letter_add(world, &c);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("ABC");
    CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 1);
    CHECK_STATUS(ecs_tick_last(world)->status, ECS_OK);
    CHECK_EQ_U64(ecs_tick_last(world)->systems_skipped, 0);
    ecs_world_destroy(world);
}

TEST(schedule_first_failure_of_the_order_decides)
{
    ecs_world *world = world_make(false);
    letter a, b;
    letter_make(&a, 'A', "")->system.run = letter_fails;
    a.desc.on_error = ECS_SKIP;
    letter_make(&b, 'B', "")->system.run = letter_fails;
    letter_add(world, &a);
    letter_add(world, &b);
    CHECK_STATUS(ecs_tick(world, 0), ECS_FAILED);
    CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 2);
    CHECK_STR(ecs_tick_last(world)->failures[1].system, "B");
    ecs_world_destroy(world);
}

TEST(schedule_report_overflow_is_counted)
{
    ecs_world *world = world_make(false);
    letter l[ECS_FAILURES_MAX + 3];
    for (uint32_t i = 0; i < ECS_FAILURES_MAX + 3; i++) {
        letter_make(&l[i], (char)('A' + i), "")->system.run = letter_fails;
        l[i].desc.on_error = ECS_SKIP;
        letter_add(world, &l[i]);
    }
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_tick_last(world)->failure_count, ECS_FAILURES_MAX);
    CHECK_EQ_U64(ecs_tick_last(world)->failures_lost, 3);
    ecs_world_destroy(world);
}

static ecs_status exclusive_fails(ecs_world *world, const ecs_view *view)
{
    CHECK(view->user != NULL);
    CHECK(!ecs_is_null(ecs_spawn(world))); /* direct edits stay */
    return ECS_FAILED;
}

TEST(schedule_failed_exclusive_system_stops_the_tick)
{
    ecs_world *world = world_make(false);
    letter a, b, c;
    add(world, &a, 'A', "");
    letter_make(&b, 'B', "")->system.run = NULL;
    b.system.run_exclusive = exclusive_fails;
    letter_add(world, &b);
    add(world, &c, 'C', "");
    CHECK_STATUS(ecs_tick(world, 0), ECS_FAILED);
    CHECK_RAN("A"); /* everything after it depends on it */
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    ecs_world_destroy(world);
}

/* ---- Quotas ------------------------------------------------------------------------------- */

static uint32_t quota_refused;

ECS_SYSTEM(record_much, READ(X))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_status status = ecs_cmd_set(view->cmd, view->entities[i], Y, {1});
        if (status == ECS_FULL) __atomic_fetch_add(&quota_refused, 1, __ATOMIC_RELAXED);
    }
    return ECS_OK;
}

TEST(schedule_command_quota_is_for_each_row_block)
{
    ecs_world_desc desc;
    ecs_system_desc system;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&desc);
    ecs_entity e[256];
    for (int i = 0; i < 256; i++) e[i] = ecs_spawn_with(world, (X, {1}));
    memset(&system, 0, sizeof system);
    system.system = &record_much;
    system.stream_bytes_max = 512;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    uint32_t per_block[4] = {0, 0, 0, 0};
    for (int i = 0; i < 256; i++) per_block[i / 64] += ecs_has(world, e[i], Y) ? 1 : 0;
    CHECK(per_block[0] > 2 && per_block[0] < 64);
    for (int i = 1; i < 4; i++) CHECK_EQ_U64(per_block[i], per_block[0]);
    CHECK_EQ_U64(quota_refused, 256 - 4 * per_block[0]);
    CHECK_EQ_U64(ecs_tick_last(world)->commands_refused, quota_refused);
    CHECK_EQ_U64(ecs_tick_last(world)->commands_applied, 4 * per_block[0]);
    ecs_world_destroy(world);
}

ECS_SYSTEM(record_with_resource, READ(X), RES_WRITE(Score))
{
    ecs_res_write(view, Score)->value += view->count;
    for (uint32_t i = 0; i < view->count; i++) {
        if (ecs_cmd_set(view->cmd, view->entities[i], Y, {1}) != ECS_FULL) continue;
        __atomic_fetch_add(&quota_refused, 1, __ATOMIC_RELAXED);
    }
    return ECS_OK;
}

ECS_SYSTEM(record_with_lookup, WRITE(X), LOOKUP(X))
{
    for (uint32_t i = 0; i < view->count; i++) {
        if (ecs_cmd_set(view->cmd, view->entities[i], Y, {1}) != ECS_FULL) continue;
        __atomic_fetch_add(&quota_refused, 1, __ATOMIC_RELAXED);
    }
    return ECS_OK;
}

/* How many of 256 rows in four row blocks get through a quota of 512 bytes a stream. */
static uint32_t recorded_by(const ecs_system *system, bool unsplit)
{
    ecs_world_desc desc;
    ecs_system_desc system_desc;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&desc);
    ecs_component_register(world, ecs_type_of(Y), NULL);
    for (int i = 0; i < 256; i++) ecs_spawn_with(world, (X, {1}));
    memset(&system_desc, 0, sizeof system_desc);
    system_desc.system = system;
    system_desc.stream_bytes_max = 512;
    system_desc.unsplit = unsplit;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system_desc), ECS_OK);
    quota_refused = 0;
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    uint32_t count = ecs_component_count(world, ecs_component_id(world, Y));
    CHECK_EQ_U64(count + quota_refused, 256);
    ecs_world_destroy(world);
    return count;
}

TEST(schedule_unsplit_systems_have_one_stream)
{
    uint32_t one = recorded_by(&record_much, true);
    CHECK(one > 2 && one < 64);
    CHECK_EQ_U64(recorded_by(&record_much, false), 4 * one);
    CHECK_EQ_U64(recorded_by(&record_with_resource, false), one);
    CHECK_EQ_U64(recorded_by(&record_with_lookup, false), one);
}

/* What is refused does not depend on what other systems record. */
TEST(schedule_command_quota_in_fixed_memory_is_a_fair_share)
{
    uint32_t refused[2];
    for (int round = 0; round < 2; round++) {
        ecs_world_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.memory = ECS_MEMORY_FIXED;
        desc.entities_max = 4096;
        desc.row_block_rows = 64;
        desc.command_bytes_max = 65536; /* about a third of what the two want */
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        ecs_component_register(world, ecs_type_of(Y), NULL);
        for (int i = 0; i < 2000; i++) ecs_spawn_with(world, (X, {1}));
        quota_refused = 0;
        ecs_system_desc again;
        memset(&again, 0, sizeof again);
        again.system = &record_much;
        again.name = "again";
        again.run_if = round == 0 ? NULL : if_score; /* the second never runs */
        again.user = ran;
        ecs_system_add(world, &record_much, ECS_UPDATE);
        REQUIRE_STATUS(ecs_system_add_desc(world, &again), ECS_OK);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        refused[round] = quota_refused;
        ecs_world_destroy(world);
    }
    CHECK(refused[1] > 0 && refused[1] < 2000);
    CHECK_EQ_U64(refused[0] % 2, 0);
    CHECK_EQ_U64(refused[0] / 2, refused[1]);
}

/* ---- Explain ------------------------------------------------------------------------------ */

TEST(schedule_explain_has_the_order_and_its_reasons)
{
    ecs_world *world = world_make(false);
    letter a, b, c;
    letter_make(&a, 'P', "wx")->desc.name = "gravity";
    letter_make(&b, 'Q', "wx")->desc.name = "collide";
    letter_make(&c, 'R', "wz")->desc.name = "wander";
    c.desc.before[0] = "gravity";
    letter_add(world, &a);
    letter_add(world, &b);
    letter_add(world, &c);
    CHECK_STATUS(ecs_schedule_build(world), ECS_OK);
    const char *text = explained(world);
    CHECK_CONTAINS(text, "update");
    CHECK_CONTAINS(text, "gravity");
    CHECK_CONTAINS(text, "X"); /* why collide comes after gravity */
    const char *wander = strstr(text, "wander");
    const char *gravity = strstr(text, "gravity");
    const char *collide = strstr(text, "collide");
    REQUIRE(wander != NULL && gravity != NULL && collide != NULL);
    CHECK(wander < collide);
    CHECK(gravity < collide);
    ecs_world_destroy(world);
}
