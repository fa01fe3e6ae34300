/* view_graph_test.c - who looks at a large graph does not hold up the shard that changes it. */
#include "tests/engine/shard_world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/view_state.h"
#include "schemas/derive.h"

enum { NODES = 30000, EDGES = 3 * NODES, NEW_EDGES = 8, ROUNDS = 40, FOLDS_WANTED = 3 };
#define ANSWER_BYTES (64 * MIB)

static uint32_t make_node(struct world *world, uint32_t number) {
    char name[32];
    uint32_t node = 0;
    (void)snprintf(name, sizeof(name), "job:j%u", number);
    struct hash128 key = derive_entity_key(SLICE("acme"), slice_of_text(name), HASH_SEED);
    assert_status(
        graph_intern_node(world->engine.graph, SLICE("acme"), slice_of_text(name), key, &node), OK);
    return node;
}

static void add_edges(struct world *world, const uint32_t *nodes, uint32_t count,
                      uint64_t *random) {
    for (uint32_t i = 0; i < count; i++) {
        *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint32_t from = (uint32_t)(*random >> 33) % NODES;
        uint32_t to = (uint32_t)(*random >> 13) % NODES;
        if (from != to) {
            assert_status(graph_add_edge(world->engine.graph, nodes[from], nodes[to],
                                         GRAPH_ORIGIN_EVENT, world->now_ns, NULL),
                          OK);
        }
    }
}

struct look {
    struct view *view;
    char *memory;
    _Atomic uint32_t answers; /* two a round: at its beginning and at its end */
    atomic_bool is_over;
    atomic_bool is_good;
};

static void *look_again_and_again(void *argument) {
    struct look *look = argument;
    struct view_reader *reader = NULL;
    if (!status_is_ok(view_reader_acquire(look->view, &reader))) {
        atomic_store(&look->is_good, false);
        return NULL;
    }
    while (atomic_load(&look->is_good) && !atomic_load(&look->is_over)) {
        struct text json = text_over(look->memory, ANSWER_BYTES);
        struct slice none = {0};
        atomic_fetch_add(&look->answers, 1);
        look->is_good = status_is_ok(view_graph_json(reader, SLICE("acme"), none, none, 8, &json));
        atomic_fetch_add(&look->answers, 1);
    }
    view_reader_release(reader);
    return NULL;
}

/* How many folds begin and end while one answer is written. */
static uint32_t folds_within_an_answer(struct world *world, const struct look *look,
                                       const uint32_t *nodes, uint64_t *random) {
    uint32_t folds = 0;
    uint32_t answer = atomic_load(&look->answers);
    while (answer % 2 == 0 && atomic_load(&look->is_good)) {
        answer = atomic_load(&look->answers);
    }
    for (;;) {
        add_edges(world, nodes, NEW_EDGES, random);
        graph_fold_now(world->engine.graph);
        if (atomic_load(&look->answers) != answer) {
            return folds;
        }
        folds++;
    }
}

/* A fold waits for whoever reads edges at its beginning, so that of a reader that read all the
 * while an answer would see one fold at most. */
static void the_graph_folds_while_an_answer_is_written(void **state) {
    struct world *world = *state;
    uint32_t *nodes = calloc(NODES, sizeof(*nodes));
    struct config config = {.entities_max = world->nodes_max, .edges_max = world->edges_max};
    struct shard_options options = {.config = &config, .hash_seed = HASH_SEED};
    struct look look = {.memory = malloc(ANSWER_BYTES), .is_good = true};
    uint64_t random = 7;
    uint32_t most = 0;
    pthread_t thread;
    assert_true(nodes != NULL && look.memory != NULL);
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i] = make_node(world, i);
    }
    add_edges(world, nodes, EDGES, &random);
    assert_status(
        view_init(&look.view, world->store, &world->engine, &options, &world->engine.arena), OK);
    assert_int_equal(pthread_create(&thread, NULL, look_again_and_again, &look), 0);
    for (uint32_t round = 0; round < ROUNDS && most < FOLDS_WANTED; round++) {
        uint32_t folds = folds_within_an_answer(world, &look, nodes, &random);
        most = folds > most ? folds : most;
    }
    atomic_store(&look.is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&look.is_good));
    assert_true(most >= FOLDS_WANTED);
    free(look.memory);
    free(nodes);
}

static int set_up_large(void **state) {
    assert_int_equal(set_up(state), 0);
    struct world *world = *state;
    world->nodes_max = 1u << 16;
    world->edges_max = 1u << 20;
    restart(world);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_graph_folds_while_an_answer_is_written, set_up_large,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
