/*
 * world.h - a small world for tests of the incident room: a graph, a policy, a virtual clock, and a
 * store that holds what the effects say.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "incident/incident.h"

#define MINUTES(count) ((count)*NS_PER_MINUTE)
#define START_NS (UINT64_C(1763607600) * NS_PER_S)
#define WORLD_SINKS_MAX 4u

struct stored_row {
    uint64_t tag; /* of table and key: thousands of rows are looked through */
    enum store_table table;
    uint8_t key[128];
    size_t key_size;
    uint8_t *value;
    size_t value_size;
};

/* A message as its outbox row says. */
struct told {
    unsigned type; /* 1 opened, 2 updated, 3 resolved */
    bool is_repeat;
    uint64_t number;
    uint64_t created_ns;
    struct hash128 incident_id;
    struct hash128 message_id;
    uint32_t version;
    char tenant[72];
    char sink[72];
    char *json;
};

struct world {
    struct arena arena;
    struct graph *graph;
    struct graph_search *search;
    struct policy_set policies;
    struct effects effects;
    struct incidents *incidents;
    uint64_t now_ns;
    uint64_t seq;
    uint32_t opened;
    uint32_t incidents_max;
    struct slice sinks[WORLD_SINKS_MAX];
    struct stored_row *rows;
    size_t rows_count;
    size_t rows_capacity;
    struct told *told;
    size_t told_count;
    size_t told_capacity;
};

/* Chance that a seed decides. */
struct dice {
    uint64_t state;
};

/* 0 to below - 1. */
uint64_t dice_throw(struct dice *dice, uint64_t below);
/* A number of the environment, such as QUELL_SEED. */
uint64_t setting_of(const char *name, uint64_t otherwise);

void world_init(struct world *world);
void world_init_sized(struct world *world, uint32_t incidents_max);
void world_deinit(struct world *world);
/* A second room from the first one's rows, over the same graph and clock. */
void world_restart(struct world *world);
uint32_t world_node(struct world *world, const char *tenant, const char *entity);
/* `from` depends on `to`; both "tenant|entity" or "entity" of acme. */
void world_depend(struct world *world, const char *from, const char *to);
/* Not told to the incidents: the graph had it before anything failed. */
struct signal world_signal(const char *tenant, const char *entity, enum event_status status,
                           uint64_t event_ns);
void world_bad(struct world *world, const char *tenant, const char *entity,
               enum event_status status, uint64_t event_ns);
void world_bad_signal(struct world *world, const char *tenant, const char *entity,
                      const struct signal *signal, bool is_repeat);
void world_fail(struct world *world, const char *entity, uint64_t event_ns);
void world_good_signal(struct world *world, const char *tenant, const char *entity,
                       const struct signal *signal);
void world_good(struct world *world, const char *tenant, const char *entity, uint64_t event_ns);
/* Lets the clock run, with every timer at its time. */
void world_run(struct world *world, uint64_t until_ns);
void world_run_for(struct world *world, uint64_t span_ns);
/* Of tenant acme. */
void world_fail_now(struct world *world, const char *entity);
void world_recover_now(struct world *world, const char *entity);
/* Emits and stores. */
void world_commit(struct world *world);
struct incident_context world_context(struct world *world);
/* How many incidents the API would list, and the i-th as JSON (caller frees). */
size_t world_incidents(struct world *world, const char *tenant);
char *world_json(struct world *world, const char *tenant, size_t index);
size_t world_rows(const struct world *world, enum store_table table);
/* The incident's timeline, oldest first: "opened job:a failed\n..." (caller frees). */
char *world_timeline(struct world *world, struct hash128 id);
struct hash128 world_id(struct world *world, const char *tenant, size_t index);
size_t count_text(const char *words, const char *part);
/* Whether it is one JSON value and nothing behind it. */
bool json_is_valid(const char *json);
