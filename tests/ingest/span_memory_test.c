/* span_memory_test.c - parents and children of any order; what is old or too much is forgotten. */
#include "ingest/span_memory.h"

#include <stdio.h>

#include "tests/base/unit.h"

#define NOW (UINT64_C(1800000000) * NS_PER_S)

struct world {
    struct arena arena;
    struct span_memory *memory;
    struct span_edge edges[SPAN_EDGES_MAX];
};

static struct world world;

static int open_world(void **state) {
    (void)state;
    assert_status(arena_init(&world.arena, 32 * MIB), OK);
    assert_status(span_memory_init(&world.memory, &world.arena, 7), OK);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    arena_deinit(&world.arena);
    return 0;
}

static uint32_t note(const char *entity, uint64_t trace, uint64_t span, uint64_t parent,
                     enum span_kind kind, uint64_t now_ns) {
    struct span_note one = {
        .tenant = SLICE("acme"),
        .entity = slice_of_text(entity),
        .trace_id = {trace, 1},
        .span_id = span,
        .parent_span_id = parent,
        .kind = kind,
    };
    return span_memory_note(world.memory, &one, now_ns, world.edges);
}

static void a_child_finds_its_parent(void **state) {
    (void)state;
    assert_int_equal(note("service:a", 1, 1, 0, SPAN_KIND_CLIENT, NOW), 0);
    assert_int_equal(note("service:b", 1, 2, 1, SPAN_KIND_SERVER, NOW), 1);
    assert_slice(world.edges[0].dependant, "service:a");
    assert_slice(world.edges[0].upstream, "service:b");
    assert_int_equal(note("service:a", 1, 3, 1, SPAN_KIND_SERVER, NOW), 0); /* its own */
}

static void a_parent_finds_children_of_several_services(void **state) {
    (void)state;
    assert_int_equal(note("service:b", 1, 2, 1, SPAN_KIND_SERVER, NOW), 0);
    assert_int_equal(note("service:b", 1, 4, 1, SPAN_KIND_SERVER, NOW), 0);
    assert_int_equal(note("service:c", 1, 3, 1, SPAN_KIND_CONSUMER, NOW), 0);
    assert_int_equal(note("service:a", 1, 1, 0, SPAN_KIND_INTERNAL, NOW), 2);
    bool b_first = slice_equals(world.edges[0].upstream, SLICE("service:b"));
    assert_slice(world.edges[b_first ? 0 : 1].dependant, "service:a");
    assert_slice(world.edges[b_first ? 1 : 0].dependant, "service:c"); /* it consumes */
    assert_slice(world.edges[b_first ? 1 : 0].upstream, "service:a");
    assert_int_equal(note("service:a", 1, 1, 0, SPAN_KIND_INTERNAL, NOW), 0); /* told */
}

static void what_is_inside_a_process_is_not_matched(void **state) {
    (void)state;
    assert_int_equal(note("service:a", 1, 1, 0, SPAN_KIND_SERVER, NOW), 0);
    assert_int_equal(note("service:b", 1, 2, 1, SPAN_KIND_INTERNAL, NOW), 0);
    assert_int_equal(note("service:b", 1, 3, 1, SPAN_KIND_CLIENT, NOW), 0);
}

static void spans_without_ids_are_nobodys(void **state) {
    (void)state;
    assert_int_equal(note("service:a", 1, 0, 0, SPAN_KIND_CLIENT, NOW), 0);
    assert_int_equal(note("service:b", 1, 2, 0, SPAN_KIND_SERVER, NOW), 0);
}

static void the_old_is_forgotten(void **state) {
    (void)state;
    uint64_t later = NOW + 11 * NS_PER_MINUTE;
    assert_int_equal(note("service:a", 1, 1, 0, SPAN_KIND_CLIENT, NOW), 0);
    assert_int_equal(note("service:b", 1, 2, 1, SPAN_KIND_SERVER, later), 0);
    assert_int_equal(note("service:b", 2, 2, 1, SPAN_KIND_SERVER, NOW), 0);
    assert_int_equal(note("service:a", 2, 1, 0, SPAN_KIND_CLIENT, later), 0);
}

static void an_edge_is_told_once_in_a_while(void **state) {
    (void)state;
    struct span_edge edge = {SLICE("service:a"), SLICE("service:b")};
    struct span_edge other = {SLICE("service:b"), SLICE("service:a")};
    uint64_t minute = NS_PER_MINUTE;
    assert_true(span_memory_tell(world.memory, SLICE("acme"), edge, NOW, minute));
    assert_false(span_memory_tell(world.memory, SLICE("acme"), edge, NOW + minute / 2, minute));
    assert_true(span_memory_tell(world.memory, SLICE("globex"), edge, NOW, minute));
    assert_true(span_memory_tell(world.memory, SLICE("acme"), other, NOW, minute));
    assert_true(span_memory_tell(world.memory, SLICE("acme"), edge, NOW + minute, minute));
}

/* More spans and names than it can hold: it forgets, and goes on learning. */
static void a_flood_costs_no_more_memory(void **state) {
    (void)state;
    size_t used = world.arena.used_bytes;
    char name[64];
    uint32_t found = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof(name), "service:s-%llu", (unsigned long long)i);
        (void)note(name, i, 1, 0, SPAN_KIND_CLIENT, NOW + i * NS_PER_MS);
        found += note("service:b", i, 2, 1, SPAN_KIND_SERVER, NOW + i * NS_PER_MS);
        (void)note("service:c", i, 3, 99, SPAN_KIND_SERVER, NOW + i * NS_PER_MS);
    }
    assert_int_equal(used, world.arena.used_bytes);
    assert_true(found > 99900); /* but for those between which all was forgotten */
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(a_child_finds_its_parent),
        TEST(a_parent_finds_children_of_several_services),
        TEST(what_is_inside_a_process_is_not_matched),
        TEST(spans_without_ids_are_nobodys),
        TEST(the_old_is_forgotten),
        TEST(an_edge_is_told_once_in_a_while),
        TEST(a_flood_costs_no_more_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
