/* span_memory_test.c - parents and children of any order, from any thread; what is old or too much
 * is forgotten. */
#include "ingest/span_memory.h"

#include <pthread.h>
#include <stdio.h>

#include "ingest/span_names.h"
#include "tests/base/unit.h"

#define NOW (UINT64_C(1800000000) * NS_PER_S)

struct world {
    struct span_memory *memory;
    struct span_edges edges;
};

static struct world world;

static int open_world(void **state) {
    (void)state;
    assert_status(span_memory_open(7, &world.memory), OK);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    span_memory_close(world.memory);
    return 0;
}

static struct span_note make_note(const char *entity, uint64_t trace, uint64_t span,
                                  uint64_t parent, enum span_kind kind) {
    return (struct span_note){
        .tenant = SLICE("acme"),
        .entity = slice_of_text(entity),
        .trace_id = {trace, 1},
        .span_id = span,
        .parent_span_id = parent,
        .kind = kind,
    };
}

static uint32_t note(const char *entity, uint64_t trace, uint64_t span, uint64_t parent,
                     enum span_kind kind, uint64_t now_ns) {
    struct span_note one = make_note(entity, trace, span, parent, kind);
    span_memory_note(world.memory, &one, now_ns, &world.edges);
    return world.edges.count;
}

static void a_child_finds_its_parent(void **state) {
    (void)state;
    assert_int_equal(note("service:a", 1, 1, 0, SPAN_KIND_CLIENT, NOW), 0);
    assert_int_equal(note("service:b", 1, 2, 1, SPAN_KIND_SERVER, NOW), 1);
    assert_slice(world.edges.items[0].dependant, "service:a");
    assert_slice(world.edges.items[0].upstream, "service:b");
    assert_int_equal(note("service:a", 1, 3, 1, SPAN_KIND_SERVER, NOW), 0); /* its own */
}

static void a_parent_finds_children_of_several_services(void **state) {
    (void)state;
    assert_int_equal(note("service:b", 1, 2, 1, SPAN_KIND_SERVER, NOW), 0);
    assert_int_equal(note("service:b", 1, 4, 1, SPAN_KIND_SERVER, NOW), 0);
    assert_int_equal(note("service:c", 1, 3, 1, SPAN_KIND_CONSUMER, NOW), 0);
    assert_int_equal(note("service:a", 1, 1, 0, SPAN_KIND_INTERNAL, NOW), 2);
    bool b_first = slice_equals(world.edges.items[0].upstream, SLICE("service:b"));
    assert_slice(world.edges.items[b_first ? 0 : 1].dependant, "service:a");
    assert_slice(world.edges.items[b_first ? 1 : 0].dependant, "service:c"); /* it consumes */
    assert_slice(world.edges.items[b_first ? 1 : 0].upstream, "service:a");
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

/* More spans and names than it can hold: it forgets, and goes on learning; no edge has a name that
 * took another's place. */
static void a_flood_costs_no_more_memory(void **state) {
    (void)state;
    char name[64];
    uint32_t found = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof(name), "service:s-%llu", (unsigned long long)i);
        (void)note(name, i, 1, 0, SPAN_KIND_CLIENT, NOW + i * NS_PER_MS);
        if (note("service:b", i, 2, 1, SPAN_KIND_SERVER, NOW + i * NS_PER_MS) == 1) {
            assert_slice(world.edges.items[0].dependant, name);
            found++;
        }
        (void)note("service:c", i, 3, 99, SPAN_KIND_SERVER, NOW + i * NS_PER_MS);
    }
    assert_true(found > 99900);
    uint32_t mistaken = 0;
    for (uint64_t i = 0; i < 100000; i++) { /* the names of most have been forgotten since */
        if (note("service:d", i, 4, 1, SPAN_KIND_SERVER, NOW + 101 * NS_PER_S) == 1) {
            (void)snprintf(name, sizeof(name), "service:s-%llu", (unsigned long long)i);
            mistaken += !slice_equals(world.edges.items[0].dependant, slice_of_text(name));
        }
    }
    assert_int_equal(mistaken, 0);
}

/* --- Threads --- */

enum { ROUNDS = 20000, TRACES = 64 };

struct racer {
    pthread_barrier_t *start;
    bool is_child;
    uint8_t found[ROUNDS];
};

/* Parent and child of one round come at the same moment. */
static void *race(void *context) {
    struct racer *racer = context;
    struct span_edges edges;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct span_note one =
            racer->is_child
                ? make_note("service:called", round / TRACES, round * 2 + 2, round * 2 + 1,
                            SPAN_KIND_SERVER)
                : make_note("service:caller", round / TRACES, round * 2 + 1, 0, SPAN_KIND_CLIENT);
        if (round % TRACES == 0) {
            (void)pthread_barrier_wait(racer->start);
        }
        span_memory_note(world.memory, &one, NOW, &edges);
        racer->found[round] = (uint8_t)edges.count;
    }
    return NULL;
}

static void parents_and_children_of_two_threads_find_one_another(void **state) {
    (void)state;
    static struct racer racers[2];
    pthread_barrier_t start;
    pthread_t threads[2];
    assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
    for (size_t i = 0; i < 2; i++) {
        racers[i] = (struct racer){.start = &start, .is_child = i == 1};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    (void)pthread_barrier_destroy(&start);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        assert_in_range(racers[0].found[round] + racers[1].found[round], 1, 2);
    }
}

enum { RACED_NAMES = 200 };

/* Two threads give many names few places, and read whatever names there are. */
static void *race_names(void *context) {
    const struct span_names *names = context;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    uintptr_t wrong = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        char given[ENTITY_BYTES_MAX];
        char got[ENTITY_BYTES_MAX];
        uint32_t which = (uint32_t)(i * UINT64_C(2654435761) >> 7) % RACED_NAMES;
        struct slice name = slice_of(given, 1 + which);
        struct slice read = {0};
        uint32_t number = 0;
        memset(given, letters[which % 26], name.size);
        /* All of one set. */
        if (!span_names_intern(names, name, which + 1, i / 100, &number)) {
            continue;
        }
        if (span_names_read(names, number, got, &read)) {
            wrong += !slice_equals(read, name);
        }
    }
    return (void *)wrong; /* NOLINT(performance-no-int-to-ptr) */
}

static void a_number_never_names_another(void **state) {
    (void)state;
    struct arena arena = {0};
    struct span_names names = {0};
    pthread_t threads[2];
    assert_status(arena_init(&arena, 8 * MIB), OK);
    assert_status(span_names_init(&names, &arena), OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race_names, &names), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    arena_deinit(&arena);
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
        TEST(parents_and_children_of_two_threads_find_one_another),
        cmocka_unit_test(a_number_never_names_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
