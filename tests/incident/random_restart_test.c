/*
 * random_restart_test.c - random worlds, each lived twice: once without a pause, with rows written
 * only when they must be, and once with rows written at every step and the room built again from
 * them now and then. Whatever happens, both know, tell and keep the same.
 *
 * QUELL_SEED and QUELL_SEEDS choose which worlds and how many; a failure names its seed.
 */
#include "tests/incident/world.h"

enum {
    ENTITIES_MAX = 20,
    EDGES_MAX = 40,
    STEPS = 150,
    SEEDS = 40,
    WORDS_BYTES = 96,
    SINKS = 3,
};

static bool dice_hit(struct dice *dice, uint64_t one_in) {
    return dice_throw(dice, one_in) == 0;
}

/* What both lives have in common: who there is, and how the room is set. */
struct plan {
    uint32_t entities;
    char names[ENTITIES_MAX][32]; /* of acme; the first two are platform's */
    uint32_t incidents_max;
    struct policy policy;
    struct policy_silence silence;
};

static void plan_names(struct plan *plan, struct dice *dice) {
    static const char *const kinds[] = {"job:load", "service:store", "dataset:table", "check:feed"};
    plan->entities = 3 + (uint32_t)dice_throw(dice, ENTITIES_MAX - 3);
    for (uint32_t i = 0; i < plan->entities; i++) {
        snprintf(plan->names[i], sizeof(plan->names[i]), "%s-%u",
                 i < 2 ? "service:base" : kinds[dice_throw(dice, 4)], i);
    }
}

static void plan_make(struct plan *plan, struct dice *dice, const struct world *world) {
    static const uint64_t spans[] = {0, NS_PER_S, 10 * NS_PER_S, 5 * NS_PER_MINUTE, NS_PER_HOUR};
    struct policy *policy = &plan->policy;
    *policy = world->policies.defaults;
    policy->group_wait_ns = spans[dice_throw(dice, 4)];
    policy->group_interval_ns = spans[1 + dice_throw(dice, 3)];
    policy->repeat_interval_ns = spans[3 + dice_throw(dice, 2)];
    policy->resolve_after_ns = spans[2 + dice_throw(dice, 2)];
    policy->reopen_window_ns = spans[dice_throw(dice, 5)];
    policy->correlate_hops_max = 1 + (uint32_t)dice_throw(dice, 8);
    policy->correlate_suspect_min = (uint32_t)dice_throw(dice, 4);
    policy->sinks_count = (uint32_t)dice_throw(dice, SINKS + 1);
    policy->limit_incidents_per_h = dice_hit(dice, 4) ? 3 : policy->limit_incidents_per_h;
    plan->silence = (struct policy_silence){.start_ns = START_NS + 10 * NS_PER_MINUTE,
                                            .end_ns = START_NS + 40 * NS_PER_MINUTE,
                                            .reason = SLICE("works"),
                                            .who = SLICE("ann")};
    policy->silences = &plan->silence;
    policy->silences_count = dice_hit(dice, 4) ? 1 : 0;
}

static const char *tenant_of(uint32_t entity) {
    return entity < 2 ? "platform" : "acme";
}

static uint32_t node_at(struct world *world, const struct plan *plan, uint32_t entity) {
    return world_node(world, tenant_of(entity), plan->names[entity]);
}

/* --- One life --- */

struct life {
    struct world world;
    struct slice sinks[SINKS];
    bool is_lazy;
};

static void life_begin(struct life *life, struct plan *plan, bool is_lazy) {
    world_init_sized(&life->world, plan->incidents_max);
    life->is_lazy = is_lazy;
    life->sinks[0] = SLICE("oncall");
    life->sinks[1] = SLICE("audit");
    life->sinks[2] = SLICE("wall");
    life->world.policies.defaults = plan->policy;
    life->world.policies.defaults.sinks = life->sinks;
    for (uint32_t i = 0; i < plan->entities; i++) {
        (void)node_at(&life->world, plan, i);
    }
}

/* As the engine does before each event. */
static struct incident_context make_room(struct life *life) {
    struct world *world = &life->world;
    if (!life->is_lazy || incidents_waits_for_rows(world->incidents) ||
        effects_room(&world->effects) < 2 * INCIDENTS_EFFECT_BYTES_MIN) {
        world_commit(world);
    }
    return world_context(world);
}

static void let_time_pass(struct life *life, uint64_t until_ns) {
    struct world *world = &life->world;
    while (incidents_next_due_ns(world->incidents) <= until_ns) {
        uint64_t due_ns = incidents_next_due_ns(world->incidents);
        world->now_ns = due_ns > world->now_ns ? due_ns : world->now_ns;
        struct incident_context context = make_room(life);
        while (!incidents_advance(world->incidents, &context)) {
            context = make_room(life);
        }
    }
    world->now_ns = until_ns;
}

static void depend(struct life *life, const struct plan *plan, uint32_t from, uint32_t to,
                   bool is_heard) {
    struct world *world = &life->world;
    uint32_t nodes[2] = {node_at(world, plan, from), node_at(world, plan, to)};
    bool is_new = false;
    if (!status_is_ok(graph_add_edge(world->graph, nodes[0], nodes[1], GRAPH_ORIGIN_EVENT,
                                     world->now_ns, &is_new)) ||
        !is_heard || !is_new) {
        return;
    }
    struct incident_context context = make_room(life);
    incidents_apply_edge(world->incidents, &context, nodes[0], nodes[1]);
}

static void build(struct life *life, const struct plan *plan, struct dice *dice) {
    uint64_t edges = dice_throw(dice, EDGES_MAX);
    bool has_rings = dice_hit(dice, 3);
    for (uint64_t i = 0; i < edges; i++) {
        uint32_t from = (uint32_t)dice_throw(dice, plan->entities);
        uint32_t to = (uint32_t)dice_throw(dice, plan->entities);
        bool is_allowed = from != to && (from >= 2 || to < 2) && (has_rings || from > to);
        if (is_allowed) {
            depend(life, plan, from, to, false);
        }
    }
}

/* --- What may happen --- */

struct words {
    char text[WORDS_BYTES];
};

/* An error of any kind: of one's own, of another by name, of nothing. */
static void say(struct words *words, const struct plan *plan, struct dice *dice) {
    const char *other = strchr(plan->names[dice_throw(dice, plan->entities)], ':') + 1;
    const char *const forms[] = {"cannot connect to %s: refused", "timeout calling %s",
                                 "out of memory", "%s slow, retrying", "exit 1"};
    const char *form = forms[dice_throw(dice, 5)];
    const char *at = strstr(form, "%s");
    int before = at == NULL ? (int)strlen(form) : (int)(at - form);
    snprintf(words->text, sizeof(words->text), "%.*s%s%s", before, form, at == NULL ? "" : other,
             at == NULL ? "" : at + 2);
}

static uint64_t some_time(const struct world *world, struct dice *dice) {
    static const uint64_t lates[] = {1, 60, 20 * 60};
    uint64_t late_ns = dice_throw(dice, lates[dice_throw(dice, 3)]) * NS_PER_S;
    return world->now_ns - late_ns + (dice_hit(dice, 20) ? 30 * NS_PER_S : 0);
}

static struct signal some_signal(const struct life *life, const struct plan *plan, uint32_t entity,
                                 enum event_status status, struct words *words, struct dice *dice) {
    struct signal signal =
        world_signal(tenant_of(entity), plan->names[entity], status, some_time(&life->world, dice));
    say(words, plan, dice);
    signal.message = slice_of_text(words->text);
    signal.error_class = dice_hit(dice, 3) ? SLICE("OutOfMemory") : SLICE("Timeout");
    signal.has_score = dice_hit(dice, 4);
    signal.score = signal.has_score ? (double)dice_throw(dice, 20) : 0;
    if (dice_hit(dice, 6)) {
        signal.kind = EVENT_KIND_ALERT;
        signal.recovers_by_silence = true;
        signal.source_key = 1 + dice_throw(dice, 2);
        signal.fires_until_ns =
            dice_hit(dice, 2) ? life->world.now_ns + dice_throw(dice, 1800) * NS_PER_S : 0;
    }
    return signal;
}

static void turn_bad(struct life *life, const struct plan *plan, uint32_t entity,
                     struct dice *dice) {
    static const enum event_status statuses[] = {EVENT_STATUS_FAILED, EVENT_STATUS_FAILED,
                                                 EVENT_STATUS_LATE, EVENT_STATUS_DOWN,
                                                 EVENT_STATUS_DEGRADED};
    struct words words;
    struct signal signal =
        some_signal(life, plan, entity, statuses[dice_throw(dice, 5)], &words, dice);
    struct incident_change change = {0};
    bool is_repeat = dice_hit(dice, 5);
    uint32_t node = node_at(&life->world, plan, entity);
    struct incident_context context = make_room(life);
    bool has_room = status_is_ok(
        incidents_apply_bad(life->world.incidents, &context, node, &signal, is_repeat, &change));
    life->world.opened += has_room && change.opened ? 1 : 0;
}

static void recover(struct life *life, const struct plan *plan, uint32_t entity,
                    struct dice *dice) {
    struct words words;
    struct signal signal = some_signal(life, plan, entity, EVENT_STATUS_SUCCEEDED, &words, dice);
    uint32_t node = node_at(&life->world, plan, entity);
    struct incident_context context = make_room(life);
    (void)incidents_apply_good(life->world.incidents, &context, node, &signal);
    incidents_note_well(life->world.incidents, &context, node, &signal);
}

static void complain(struct life *life, const struct plan *plan, uint32_t entity,
                     struct dice *dice) {
    struct words words;
    struct signal signal = some_signal(life, plan, entity, EVENT_STATUS_OK, &words, dice);
    signal.news = SIGNAL_NEUTRAL;
    uint32_t node = node_at(&life->world, plan, entity);
    signal.entity_key = graph_get_node(life->world.graph, node).key;
    struct incident_context context = make_room(life);
    if (incidents_open_count(life->world.incidents) > 0 &&
        incidents_is_complaint(life->world.incidents, &context, &signal)) {
        incidents_apply_complaint(life->world.incidents, &context, node, &signal);
    }
}

/* A person, or a sink, about a message of before. */
static void answer(struct life *life, struct dice *dice) {
    uint64_t what = dice_throw(dice, 3);
    uint64_t which = dice_throw(dice, 1u << 20);
    struct incident_context context = make_room(life);
    world_commit(&life->world); /* both know the same messages then */
    if (life->world.told_count == 0) {
        return;
    }
    const struct told *told = &life->world.told[which % life->world.told_count];
    if (what < 2) {
        struct status status =
            incidents_operate(life->world.incidents, &context, told->incident_id,
                              slice_of_text(told->tenant), what == 1, SLICE("ann"), SLICE("seen"));
        assert_true(status_is_ok(status) || status.code == STATUS_MISSING);
        return;
    }
    struct incident_delivery delivery = {.what = INCIDENT_UNDELIVERED,
                                         .message_id = told->message_id,
                                         .version = told->version,
                                         .type = SLICE("incident.opened"),
                                         .sink = slice_of_text(told->sink),
                                         .reason = SLICE("HTTP 404")};
    (void)incidents_note_delivery(life->world.incidents, &context, told->incident_id, &delivery);
}

static void step(struct life *life, const struct plan *plan, struct dice *dice) {
    uint64_t what = dice_throw(dice, 20);
    uint32_t entity = (uint32_t)dice_throw(dice, plan->entities);
    uint32_t other = (uint32_t)dice_throw(dice, plan->entities);
    life->world.seq++;
    if (what < 9) {
        turn_bad(life, plan, entity, dice);
    } else if (what < 13) {
        recover(life, plan, entity, dice);
    } else if (what < 14) {
        complain(life, plan, entity, dice);
    } else if (what < 15 && entity != other && (entity >= 2 || other < 2)) {
        depend(life, plan, entity, other, true);
    } else if (what < 16) {
        answer(life, dice);
    } else {
        static const uint64_t seconds[] = {1, 30, 600, 3 * 3600};
        uint64_t span_ns = dice_throw(dice, seconds[dice_throw(dice, 4)]) * NS_PER_S;
        let_time_pass(life, life->world.now_ns + span_ns);
    }
}

/* --- Both --- */

static int row_precedes(const void *a, const void *b) {
    const struct stored_row *left = a;
    const struct stored_row *right = b;
    int order = (left->table > right->table) - (left->table < right->table);
    return order != 0 ? order
                      : slice_compare(slice_of(left->key, left->key_size),
                                      slice_of(right->key, right->key_size));
}

static bool rows_are_same(struct world *one, struct world *other) {
    bool is_same = one->rows_count == other->rows_count;
    if (is_same && one->rows_count > 0) {
        qsort(one->rows, one->rows_count, sizeof(*one->rows), row_precedes);
        qsort(other->rows, other->rows_count, sizeof(*other->rows), row_precedes);
    }
    for (size_t i = 0; is_same && i < one->rows_count; i++) {
        const struct stored_row *left = &one->rows[i];
        const struct stored_row *right = &other->rows[i];
        is_same = row_precedes(left, right) == 0 &&
                  slice_equals(slice_of(left->value, left->value_size),
                               slice_of(right->value, right->value_size));
        if (!is_same) {
            print_message("row %zu of table %d differs\n", i, (int)left->table);
        }
    }
    return is_same;
}

static bool told_is_same(const struct world *one, const struct world *other) {
    bool is_same = one->told_count == other->told_count;
    for (size_t i = 0; is_same && i < one->told_count; i++) {
        is_same = strcmp(one->told[i].json, other->told[i].json) == 0 &&
                  strcmp(one->told[i].sink, other->told[i].sink) == 0 &&
                  one->told[i].number == other->told[i].number &&
                  hash128_equals(one->told[i].message_id, other->told[i].message_id);
        if (!is_same) {
            print_message("message %zu:\n%s\n%s\n", i, one->told[i].json, other->told[i].json);
        }
    }
    return is_same;
}

static void expect_same(struct life *one, struct life *other, uint64_t seed, unsigned at) {
    world_commit(&one->world);
    world_commit(&other->world);
    bool digests = hash128_equals(incidents_digest(one->world.incidents),
                                  incidents_digest(other->world.incidents));
    bool told = told_is_same(&one->world, &other->world);
    bool rows = rows_are_same(&one->world, &other->world);
    bool opened = one->world.opened == other->world.opened;
    if (!digests || !told || !rows || !opened) {
        fail_msg("QUELL_SEED=%llu QUELL_SEEDS=1: step %u, digests %d, told %d (%zu, %zu), rows %d "
                 "(%zu, %zu), opened %d",
                 (unsigned long long)seed, at, digests, told, one->world.told_count,
                 other->world.told_count, rows, one->world.rows_count, other->world.rows_count,
                 opened);
    }
}

static void live_twice(uint64_t seed) {
    static struct plan plan;
    struct life lives[2];
    struct dice dice = {seed * UINT64_C(0x9E3779B97F4A7C15)};
    struct dice pauses = {seed};
    plan = (struct plan){.incidents_max =
                             dice_hit(&dice, 2) ? 1 + (uint32_t)dice_throw(&dice, 4) : 64};
    struct world settings = {.policies.defaults = policy_default()};
    plan_names(&plan, &dice);
    plan_make(&plan, &dice, &settings);
    struct dice thrown[2] = {dice, dice};
    for (int i = 0; i < 2; i++) {
        life_begin(&lives[i], &plan, i == 0);
        build(&lives[i], &plan, &thrown[i]);
    }
    for (unsigned at = 0; at < STEPS; at++) {
        step(&lives[0], &plan, &thrown[0]);
        step(&lives[1], &plan, &thrown[1]);
        if (dice_hit(&pauses, 6)) {
            world_restart(&lives[1].world);
        }
        if (dice_hit(&pauses, 10) || at + 1 == STEPS) {
            expect_same(&lives[0], &lives[1], seed, at);
        }
    }
    world_deinit(&lives[0].world);
    world_deinit(&lives[1].world);
}

static void a_restart_and_when_rows_are_written_change_nothing(void **state) {
    (void)state;
    uint64_t first = setting_of("QUELL_SEED", 1);
    uint64_t count = setting_of("QUELL_SEEDS", SEEDS);
    for (uint64_t seed = first; seed < first + count; seed++) {
        live_twice(seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_and_when_rows_are_written_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
