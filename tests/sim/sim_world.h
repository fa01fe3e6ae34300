/*
 * sim_world.h - a whole shard in a simulated world: one seed decides what is sent, in what order,
 * what the disk does, when the process dies, what the clock says. See README.md.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "core/config.h"
#include "core/gate.h"
#include "core/loop_sim.h"
#include "core/outbox.h"
#include "engine/engine.h"
#include "tests/core/fault_disk.h"

enum { CAUSES_MAX = 48, MEMBERS_MAX = 6, TENANTS = 3, REQUESTS_MAX = 304, TOLD_MAX = 4096 };
enum { SIM_GATE_MAIN, SIM_GATE_SOURCE, SIM_GATE_SINK, SIM_GATES };

/* A root that fails, and what fails behind it. */
struct cause {
    uint32_t tenant;
    uint32_t members; /* the first is the root */
    uint64_t occurred_ns;
    uint64_t acknowledged_ns; /* the latest failure that was, sim->now_ns */
    uint32_t unacknowledged;  /* requests with failures */
    bool ends;                /* all of its members recover */
};

/* Some events in one request, sent until they are acknowledged. */
struct request {
    struct batch batch;
    uint8_t *memory;
    uint32_t cause;
    uint32_t first;
    uint32_t count;
    uint32_t refused; /* beside them, of no status that there is */
    bool is_recovery; /* all of the cause's are well again; told when all else of it is */
    bool is_out;      /* at the shard */
    bool is_acknowledged;
    uint64_t not_before_ns;
};

/* One delivery that the receiver noted. */
struct told {
    struct hash128 incident_id;
    struct hash128 message_id;
    enum outbox_type type;
    char tenant[8];
};

struct sim {
    uint64_t seed;
    uint64_t random;
    uint64_t now_ns; /* monotonic */
    int64_t skew_ns; /* of the wall clock */
    char directory[96];
    struct fault_disk *disk;
    struct config *config;
    struct arena arena;
    struct stats stats;
    struct logger logger;
    atomic_bool is_ready;
    struct gate gates[SIM_GATES];
    struct gate *gate_list[SIM_GATES];
    struct shard *shard;
    bool is_configured; /* the life's configuration is in force */
    struct batch config_batch;
    struct batch outcome_batch;
    bool is_outcome_out;
    uint64_t outbox_next; /* the sink is past all below */
    struct outbox_outcome outcome;
    struct cause causes[CAUSES_MAX];
    uint32_t causes_count;
    bool recovers; /* some causes end, and what is kept of them has an end soon */
    struct request requests[REQUESTS_MAX];
    uint32_t requests_count;
    struct told told[TOLD_MAX];
    uint32_t told_count;
    bool sink_is_down;
    bool outbox_is_empty; /* when the sink looked last */
    uint32_t crashes;
    uint32_t acknowledged_events;
    uint64_t refused_left;      /* in the quarantine, says the count */
    uint64_t incidents_dropped; /* the same */
    char *json;                 /* room for an answer of the view */
};

#define SIM_CHECK(sim, condition)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s; again: sim 1 %llu\n", __FILE__, __LINE__,            \
                          #condition, (unsigned long long)(sim)->seed);                            \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

uint64_t sim_random(struct sim *sim);
/* Moves both clocks on. */
void sim_pass(struct sim *sim, uint64_t span_ns);
/* The world whose time clock.h tells. */
void sim_set_clock(const struct sim *sim);

/* --- sim_source.c --- */
void source_make_causes(struct sim *sim);
void source_send(struct sim *sim);
void source_take_back(struct sim *sim);
bool source_is_done(const struct sim *sim);
/* The shard is gone, and with it what was on its way. */
void source_forget(struct sim *sim);

/* --- sim_sink.c --- */
void sink_step(struct sim *sim);
void sink_forget(struct sim *sim);

/* --- sim_check.c --- */
void check_world(struct sim *sim);
