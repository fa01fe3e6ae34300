/* sim_source.c - the sources: causes in the world, told out of order, twice, late, until each is
 * acknowledged. */
#include "core/base/assert.h"
#include "ingest/native.h"
#include "tests/sim/sim_world.h"

enum { REQUEST_BYTES = 16 * 1024, BODY_BYTES = 8 * 1024 };
/* From the last failure on: longer than a group waits, or nobody would be told of it. */
#define RECOVERY_NS (8 * NS_PER_S)

static void add_request(struct sim *sim, struct request request) {
    ASSERT(sim->requests_count < REQUESTS_MAX);
    sim->causes[request.cause].unacknowledged += request.is_recovery ? 0 : 1;
    sim->requests[sim->requests_count++] = request;
}

void source_make_causes(struct sim *sim) {
    sim->causes_count = 4 + (uint32_t)(sim_random(sim) % (CAUSES_MAX - 4));
    for (uint32_t i = 0; i < sim->causes_count; i++) {
        struct cause *cause = &sim->causes[i];
        cause->tenant = (uint32_t)(sim_random(sim) % TENANTS);
        cause->members = 1 + (uint32_t)(sim_random(sim) % MEMBERS_MAX);
        cause->occurred_ns = UINT64_C(1790000000) * NS_PER_S + i * NS_PER_S;
        /* All in one request, or split at some place, the symptoms maybe first. */
        uint32_t split = (uint32_t)(sim_random(sim) % (cause->members + 1));
        bool swaps = sim_random(sim) % 2 == 0;
        for (uint32_t part = 0; part < 2; part++) {
            bool is_head = (part == 0) != swaps;
            uint32_t first = is_head ? 0 : split;
            uint32_t count = is_head ? split : cause->members - split;
            uint32_t copies = sim_random(sim) % 8 == 0 ? 2 : 1;
            for (; count > 0 && copies > 0; copies--) {
                uint64_t not_before_ns = i * NS_PER_S / 2 + sim_random(sim) % (3 * NS_PER_S);
                add_request(
                    sim,
                    (struct request){
                        .cause = i,
                        .first = first,
                        .count = count,
                        .not_before_ns = not_before_ns,
                        .refused = sim_random(sim) % 4 == 0 ? (uint32_t)(sim_random(sim) % 8) : 0,
                    });
            }
        }
        cause->ends = sim->recovers && sim_random(sim) % 4 != 0;
        if (cause->ends) {
            add_request(sim,
                        (struct request){.cause = i, .count = cause->members, .is_recovery = true});
        }
    }
}

static void write_body(const struct sim *sim, const struct request *request, struct text *body) {
    const struct cause *cause = &sim->causes[request->cause];
    text_add_char(body, '[');
    for (uint32_t i = 0; i < request->refused; i++) {
        text_add_format(body, "{\"tenant_id\":\"t%u\",\"job_id\":\"odd\",\"status\":\"odd\"},",
                        cause->tenant);
    }
    for (uint32_t i = 0; i < request->count; i++) {
        uint32_t member = request->first + i;
        text_add_format(body,
                        "%s{\"tenant_id\":\"t%u\",\"job_id\":\"c%u.%u\",\"status\":\"%s\","
                        "\"event_id\":\"%c%u.%u\",\"occurred_at\":%llu",
                        i == 0 ? "" : ",", cause->tenant, request->cause, member,
                        request->is_recovery ? "succeeded" : "failed",
                        request->is_recovery ? 'r' : 'c', request->cause, member,
                        (unsigned long long)(cause->occurred_ns / NS_PER_S + member +
                                             (request->is_recovery ? MEMBERS_MAX : 0)));
        text_add_text(body, request->is_recovery ? "" : ",\"error_type\":\"Boom\"");
        if (member > 0 && !request->is_recovery) {
            text_add_format(body, ",\"depends_on\":[\"job:c%u.%u\"]", request->cause,
                            (member - 1) / 2);
        }
        text_add_char(body, '}');
    }
    text_add_char(body, ']');
    ASSERT(!body->truncated);
}

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    (void)tenant;
    return is_full ? NULL : context;
}

static void send_one(struct sim *sim, struct request *request) {
    char memory[BODY_BYTES];
    struct text body = text_over(memory, sizeof(memory));
    struct arena arena;
    if (request->memory == NULL) {
        request->memory = malloc(REQUEST_BYTES);
        ASSERT(request->memory != NULL);
        batch_init(&request->batch, request->memory, REQUEST_BYTES);
    }
    batch_clear(&request->batch, BATCH_EVENTS);
    write_body(sim, request, &body);
    ASSERT(status_is_ok(arena_init(&arena, MIB)));
    struct decode decode = {
        .arena = &arena,
        .hash_seed = 1,
        .now_ns = UINT64_C(1790000000) * NS_PER_S + sim->now_ns,
        .source = SLICE("sim"),
        .batch_for = batch_for,
        .context = &request->batch,
    };
    SIM_CHECK(sim, status_is_ok(native_decode(&decode, text_slice(&body), false)));
    SIM_CHECK(sim, decode.accepted == request->count && decode.refused == request->refused);
    arena_deinit(&arena);
    (void)batch_finish(&request->batch);
    request->is_out = status_is_ok(gate_send(&sim->gates[SIM_GATE_SOURCE], &request->batch));
}

static bool is_time(const struct sim *sim, const struct request *request) {
    const struct cause *cause = &sim->causes[request->cause];
    if (request->is_recovery) {
        return cause->unacknowledged == 0 && cause->acknowledged_ns + RECOVERY_NS <= sim->now_ns;
    }
    return request->not_before_ns <= sim->now_ns;
}

void source_send(struct sim *sim) {
    uint32_t start = (uint32_t)(sim_random(sim) % sim->requests_count);
    for (uint32_t i = 0; i < sim->requests_count; i++) {
        struct request *request = &sim->requests[(start + i) % sim->requests_count];
        if (!request->is_out && !request->is_acknowledged && is_time(sim, request) &&
            sim_random(sim) % 2 == 0) {
            send_one(sim, request);
        }
    }
}

void source_take_back(struct sim *sim) {
    struct batch *batch = gate_take_back(&sim->gates[SIM_GATE_SOURCE]);
    for (; batch != NULL; batch = gate_take_back(&sim->gates[SIM_GATE_SOURCE])) {
        struct request *request = (struct request *)(void *)batch; /* its first member */
        request->is_out = false;
        request->is_acknowledged = batch->outcome == STATUS_OK;
        sim->acknowledged_events += request->is_acknowledged ? request->count : 0;
        if (request->is_acknowledged && !request->is_recovery) {
            sim->causes[request->cause].unacknowledged--;
            sim->causes[request->cause].acknowledged_ns = sim->now_ns;
        }
    }
}

bool source_is_done(const struct sim *sim) {
    for (uint32_t i = 0; i < sim->requests_count; i++) {
        if (!sim->requests[i].is_acknowledged) {
            return false;
        }
    }
    return true;
}

void source_forget(struct sim *sim) {
    for (uint32_t i = 0; i < sim->requests_count; i++) {
        sim->requests[i].is_out = false;
    }
}
