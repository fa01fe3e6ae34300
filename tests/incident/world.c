/* world.c - see world.h. */
#include "tests/incident/world.h"

#include "schemas/derive.h"

#define WORLD_HASH_SEED 7

#include "core/outbox.h"

#define PLATFORM "platform"

static const struct graph_options graph_options = {.nodes_max = 1024, .edges_max = 4096};

uint64_t dice_throw(struct dice *dice, uint64_t below) {
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (dice->state >> 33) % below;
}

uint64_t setting_of(const char *name, uint64_t otherwise) {
    const char *words = getenv(name);
    return words == NULL ? otherwise : strtoull(words, NULL, 10);
}

struct incident_context world_context(struct world *world) {
    return (struct incident_context){
        .graph = world->graph,
        .search = world->search,
        .policies = &world->policies,
        .effects = &world->effects,
        .now_ns = world->now_ns,
        .cause_seq = world->seq,
        .cause_index = 0,
    };
}

static void make_room(struct world *world) {
    struct incidents_options options = {.incidents_max = world->incidents_max,
                                        .members_max = 4 * world->incidents_max,
                                        .nodes_max = graph_numbers_max(&graph_options),
                                        .hash_seed = WORLD_HASH_SEED};
    assert_true(status_is_ok(incidents_init(&world->incidents, &options, &world->arena)));
}

void world_init(struct world *world) {
    world_init_sized(world, 256);
}

void world_init_sized(struct world *world, uint32_t incidents_max) {
    *world = (struct world){.now_ns = START_NS, .seq = 1, .incidents_max = incidents_max};
    assert_true(status_is_ok(arena_init(&world->arena, 256 * MIB)));
    assert_true(status_is_ok(graph_init(&world->graph, &graph_options, &world->arena)));
    assert_true(
        status_is_ok(graph_search_init(&world->search, &graph_options, 1024, &world->arena)));
    assert_true(status_is_ok(effects_init(&world->effects, 16 * MIB, &world->arena)));
    world->sinks[0] = SLICE("oncall");
    world->policies.defaults = policy_default();
    world->policies.defaults.sinks = world->sinks;
    world->policies.defaults.sinks_count = 1;
    world->policies.defaults.owner = SLICE("data-eng");
    make_room(world);
}

void world_deinit(struct world *world) {
    for (size_t i = 0; i < world->rows_count; i++) {
        free(world->rows[i].value);
    }
    for (size_t i = 0; i < world->told_count; i++) {
        free(world->told[i].json);
    }
    free(world->rows);
    free(world->told);
    graph_deinit(world->graph);
    arena_deinit(&world->arena);
}

static void note_told(struct world *world, struct slice value) {
    if (world->told_count == world->told_capacity) {
        world->told_capacity = world->told_capacity * 2 + 16;
        world->told = realloc(world->told, world->told_capacity * sizeof(struct told));
    }
    struct told *told = &world->told[world->told_count++];
    *told = (struct told){0};
    struct outbox_message message; /* read by its owner, so the two cannot drift apart */
    assert_true(status_is_ok(outbox_message_decode(value, &message)));
    told->number = message.number;
    told->created_ns = message.created_ns;
    told->incident_id = message.incident_id;
    told->message_id = message.message_id;
    told->version = message.incident_version;
    told->type = message.type;
    told->is_repeat = message.is_repeat;
    snprintf(told->tenant, sizeof(told->tenant), "%.*s", SLICE_PRINT(message.tenant));
    snprintf(told->sink, sizeof(told->sink), "%.*s", SLICE_PRINT(message.sink));
    told->json = malloc(message.payload.size + 1);
    memcpy(told->json, message.payload.data, message.payload.size);
    told->json[message.payload.size] = 0;
    assert_true(json_is_valid(told->json));
}

static uint64_t tag_of(const struct effect *effect) {
    return hash64_of(effect->key, (uint64_t)effect->table);
}

static size_t find_row(const struct world *world, const struct effect *effect) {
    uint64_t tag = tag_of(effect);
    for (size_t i = 0; i < world->rows_count; i++) {
        const struct stored_row *row = &world->rows[i];
        if (row->tag == tag && row->table == effect->table &&
            slice_equals(slice_of(row->key, row->key_size), effect->key)) {
            return i;
        }
    }
    return world->rows_count;
}

static void store(struct world *world, const struct effect *effect) {
    size_t at = find_row(world, effect);
    if (at < world->rows_count) {
        free(world->rows[at].value);
        world->rows[at] = world->rows[--world->rows_count];
    }
    if (effect->kind == EFFECT_DELETE) {
        return;
    }
    if (world->rows_count == world->rows_capacity) {
        world->rows_capacity = world->rows_capacity * 2 + 64;
        world->rows = realloc(world->rows, world->rows_capacity * sizeof(struct stored_row));
    }
    struct stored_row *row = &world->rows[world->rows_count++];
    *row = (struct stored_row){
        .tag = tag_of(effect), .table = effect->table, .key_size = effect->key.size};
    assert_true(effect->key.size <= sizeof(row->key));
    memcpy(row->key, effect->key.data, effect->key.size);
    row->value_size = effect->value.size;
    row->value = malloc(row->value_size + 1);
    if (row->value_size > 0) {
        memcpy(row->value, effect->value.data, row->value_size);
    }
}

void world_commit(struct world *world) {
    struct incident_context context = world_context(world);
    assert_true(incidents_emit(world->incidents, &context));
    struct effects_cursor cursor = effects_begin(&world->effects);
    struct effect effect;
    while (effects_next(&cursor, &effect)) {
        if (effect.table == STORE_TABLE_OUTBOX) {
            note_told(world, effect.value);
        } else {
            store(world, &effect);
        }
    }
    effects_clear(&world->effects);
}

static int row_precedes(const void *a, const void *b) {
    const struct stored_row *left = a;
    const struct stored_row *right = b;
    return slice_compare(slice_of(left->key, left->key_size),
                         slice_of(right->key, right->key_size));
}

static void sort_rows(struct world *world) {
    if (world->rows_count > 1) {
        qsort(world->rows, world->rows_count, sizeof(struct stored_row), row_precedes);
    }
}

void world_restart(struct world *world) {
    world_commit(world);
    uint64_t number = incidents_next_outbox_number(world->incidents);
    make_room(world);
    incidents_set_next_outbox_number(world->incidents, number);
    sort_rows(world);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < world->rows_count; i++) {
            struct stored_row *row = &world->rows[i];
            struct slice key = slice_of(row->key, row->key_size);
            struct slice value = slice_of(row->value, row->value_size);
            if (pass == 0 && row->table == STORE_TABLE_INCIDENT) {
                assert_true(status_is_ok(incidents_restore_incident(world->incidents, key, value)));
            }
            if (pass == 1 && row->table == STORE_TABLE_MEMBER) {
                assert_true(status_is_ok(incidents_restore_member(world->incidents, key, value)));
            }
        }
    }
    assert_true(status_is_ok(incidents_restore_end(world->incidents, world->graph)));
}

uint32_t world_node(struct world *world, const char *tenant, const char *entity) {
    struct slice parts[2] = {slice_of_text(tenant), slice_of_text(entity)};
    uint32_t node = GRAPH_NODE_NONE;
    assert_true(status_is_ok(
        graph_intern_node(world->graph, parts[0], parts[1],
                          derive_entity_key(parts[0], parts[1], WORLD_HASH_SEED), &node)));
    return node;
}

static uint32_t node_of(struct world *world, const char *name) {
    const char *bar = strchr(name, '|');
    if (bar == NULL) {
        return world_node(world, "acme", name);
    }
    char tenant[72];
    snprintf(tenant, sizeof(tenant), "%.*s", (int)(bar - name), name);
    return world_node(world, tenant, bar + 1);
}

void world_depend(struct world *world, const char *from, const char *to) {
    assert_true(status_is_ok(graph_add_edge(world->graph, node_of(world, from), node_of(world, to),
                                            GRAPH_ORIGIN_EVENT, world->now_ns, NULL)));
}

struct signal world_signal(const char *tenant, const char *entity, enum event_status status,
                           uint64_t event_ns) {
    return (struct signal){
        .news = event_status_news(status),
        .status = status,
        .kind = EVENT_KIND_JOB,
        .recovers_by_silence = strncmp(entity, "service:", 8) == 0,
        .event_time_ns = event_ns,
        .heard_ns = event_ns,
        .tenant = slice_of_text(tenant),
        .entity = slice_of_text(entity),
        .error_class = SLICE("Timeout"),
        .message = SLICE("timeout after \"30s\""),
        .trace_id = {.lo = 1, .hi = 2},
    };
}

void world_bad_signal(struct world *world, const char *tenant, const char *entity,
                      const struct signal *signal, bool is_repeat) {
    uint32_t node = world_node(world, tenant, entity);
    world->seq++;
    struct incident_context context = world_context(world);
    struct incident_change change = {0};
    assert_true(status_is_ok(
        incidents_apply_bad(world->incidents, &context, node, signal, is_repeat, &change)));
    world->opened += change.opened ? 1 : 0;
    world_commit(world);
}

void world_bad(struct world *world, const char *tenant, const char *entity,
               enum event_status status, uint64_t event_ns) {
    struct signal signal = world_signal(tenant, entity, status, event_ns);
    world_bad_signal(world, tenant, entity, &signal, false);
}

void world_fail(struct world *world, const char *entity, uint64_t event_ns) {
    world_bad(world, "acme", entity, EVENT_STATUS_FAILED, event_ns);
}

void world_good_signal(struct world *world, const char *tenant, const char *entity,
                       const struct signal *signal) {
    world->seq++;
    struct incident_context context = world_context(world);
    uint32_t node = world_node(world, tenant, entity);
    (void)incidents_apply_good(world->incidents, &context, node, signal);
    incidents_note_well(world->incidents, &context, node, signal);
    world_commit(world);
}

void world_good(struct world *world, const char *tenant, const char *entity, uint64_t event_ns) {
    struct signal signal = world_signal(tenant, entity, EVENT_STATUS_SUCCEEDED, event_ns);
    world_good_signal(world, tenant, entity, &signal);
}

void world_run(struct world *world, uint64_t until_ns) {
    while (incidents_next_due_ns(world->incidents) <= until_ns) {
        uint64_t due_ns = incidents_next_due_ns(world->incidents);
        world->now_ns = due_ns > world->now_ns ? due_ns : world->now_ns;
        struct incident_context context = world_context(world);
        while (!incidents_advance(world->incidents, &context)) {
            world_commit(world);
        }
        world_commit(world);
    }
    world->now_ns = until_ns;
}

void world_run_for(struct world *world, uint64_t span_ns) {
    world_run(world, world->now_ns + span_ns);
}

void world_fail_now(struct world *world, const char *entity) {
    world_fail(world, entity, world->now_ns);
}

void world_recover_now(struct world *world, const char *entity) {
    world_good(world, "acme", entity, world->now_ns);
}

/* The API lists by RECENT rows. */
static bool is_listed(const struct world *world, struct hash128 id) {
    for (size_t i = 0; i < world->rows_count; i++) {
        const struct stored_row *row = &world->rows[i];
        if (row->table == STORE_TABLE_RECENT && row->key_size > 16) {
            struct reader tail = reader_over(slice_of(row->key + row->key_size - 16, 16));
            if (hash128_equals(reader_hash128(&tail), id)) {
                return true;
            }
        }
    }
    return false;
}

static struct stored_row *listed_row(struct world *world, const char *tenant, size_t index) {
    sort_rows(world);
    size_t seen = 0;
    for (size_t i = 0; i < world->rows_count; i++) {
        struct stored_row *row = &world->rows[i];
        struct incident_row_facts facts;
        if (row->table != STORE_TABLE_INCIDENT) {
            continue;
        }
        assert_true(status_is_ok(incident_row_read(slice_of(row->value, row->value_size), &facts)));
        if (slice_equals(facts.tenant, slice_of_text(tenant)) && is_listed(world, facts.id) &&
            seen++ == index) {
            return row;
        }
    }
    return NULL;
}

size_t world_incidents(struct world *world, const char *tenant) {
    size_t count = 0;
    while (listed_row(world, tenant, count) != NULL) {
        count++;
    }
    return count;
}

struct hash128 world_id(struct world *world, const char *tenant, size_t index) {
    struct stored_row *row = listed_row(world, tenant, index);
    assert_non_null(row);
    struct incident_row_facts facts;
    assert_true(status_is_ok(incident_row_read(slice_of(row->value, row->value_size), &facts)));
    return facts.id;
}

struct walk {
    struct world *world;
    struct hash128 id;
    size_t at;
};

static bool next_member(void *context, struct slice *key_out, struct slice *value_out) {
    struct walk *walk = context;
    while (walk->at < walk->world->rows_count) {
        struct stored_row *row = &walk->world->rows[walk->at++];
        struct reader reader = reader_over(slice_of(row->key, row->key_size));
        if (row->table == STORE_TABLE_MEMBER && hash128_equals(reader_hash128(&reader), walk->id)) {
            *key_out = slice_of(row->key, row->key_size);
            *value_out = slice_of(row->value, row->value_size);
            return true;
        }
    }
    return false;
}

char *world_json(struct world *world, const char *tenant, size_t index) {
    struct stored_row *row = listed_row(world, tenant, index);
    assert_non_null(row);
    struct walk walk = {.world = world, .id = world_id(world, tenant, index)};
    struct incident_members_source source = {.next = next_member, .context = &walk};
    char *json = malloc(INCIDENT_JSON_BYTES_MAX);
    struct text text = text_over(json, INCIDENT_JSON_BYTES_MAX);
    assert_true(
        status_is_ok(incident_row_render(slice_of(row->value, row->value_size), &source, &text)));
    assert_false(text.truncated);
    assert_true(json_is_valid(json));
    return json;
}

size_t world_rows(const struct world *world, enum store_table table) {
    size_t count = 0;
    for (size_t i = 0; i < world->rows_count; i++) {
        count += world->rows[i].table == table ? 1 : 0;
    }
    return count;
}

char *world_timeline(struct world *world, struct hash128 id) {
    sort_rows(world);
    char *words = malloc(MIB);
    struct text text = text_over(words, MIB);
    for (size_t i = 0; i < world->rows_count; i++) {
        struct stored_row *row = &world->rows[i];
        struct reader key = reader_over(slice_of(row->key, row->key_size));
        if (row->table != STORE_TABLE_TIMELINE || !hash128_equals(reader_hash128(&key), id)) {
            continue;
        }
        struct slice value = slice_of(row->value, row->value_size);
        size_t start = text.size;
        assert_true(status_is_ok(incident_timeline_render(value, &text)));
        assert_true(json_is_valid(text.data + start));
        text_add_char(&text, '\n');
    }
    assert_false(text.truncated);
    return words;
}

size_t count_text(const char *words, const char *part) {
    size_t count = 0;
    for (const char *at = strstr(words, part); at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

/* --- A JSON reader that only says yes or no --- */

static const char *skip_value(const char *at, int depth);

static const char *skip_string(const char *at) {
    if (*at++ != '"') {
        return NULL;
    }
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20) {
            return NULL;
        }
        if (*at == '\\' && strchr("\"\\/bfnrtu", *++at) == NULL) {
            return NULL;
        }
    }
    return at + 1;
}

static const char *skip_list(const char *at, char close, bool is_object, int depth) {
    if (*at == close) {
        return at + 1;
    }
    for (;;) {
        if (is_object) {
            at = skip_string(at);
            if (at == NULL || *at++ != ':') {
                return NULL;
            }
        }
        at = skip_value(at, depth);
        if (at == NULL) {
            return NULL;
        }
        if (*at == close) {
            return at + 1;
        }
        if (*at++ != ',') {
            return NULL;
        }
    }
}

static const char *skip_value(const char *at, int depth) {
    if (depth > 16) {
        return NULL;
    }
    if (*at == '{') {
        return skip_list(at + 1, '}', true, depth + 1);
    }
    if (*at == '[') {
        return skip_list(at + 1, ']', false, depth + 1);
    }
    if (*at == '"') {
        return skip_string(at);
    }
    if (strncmp(at, "null", 4) == 0) {
        return at + 4;
    }
    char *end = NULL;
    (void)strtod(at, &end);
    return end == at ? NULL : end;
}

bool json_is_valid(const char *json) {
    const char *end = skip_value(json, 0);
    return end != NULL && (*end == 0 || *end == '\n');
}
