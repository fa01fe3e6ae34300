/*
 * view_stats.c - the counters of GET /api/v1/stats and their Prometheus form, from TENANT rows.
 */
#include "engine/view_state.h"

static const char *const counter_names[] = {
#define TENANT_COUNTER(name, text, help) [TENANT_COUNTER_##name] = (text),
#include "schemas/tenant_counter_list.h"
#undef TENANT_COUNTER
};
static const char *const counter_helps[] = {
#define TENANT_COUNTER(name, text, help) [TENANT_COUNTER_##name] = (help),
#include "schemas/tenant_counter_list.h"
#undef TENANT_COUNTER
};
static_assert(sizeof(counter_names) / sizeof(counter_names[0]) == TENANT_COUNTER_COUNT,
              "every counter has a name");

static void add_counters(struct text *json, const uint64_t counters[TENANT_COUNTER_COUNT]) {
    for (uint32_t i = 0; i < TENANT_COUNTER_COUNT; i++) {
        text_add_format(json, "%s\"%s\":", i == 0 ? "" : ",", counter_names[i]);
        text_add_u64(json, counters[i]);
    }
}

typedef void tenant_row_visit(void *context, struct slice name,
                              const uint64_t counters[TENANT_COUNTER_COUNT]);

static struct status walk_tenants(struct store_snapshot *snapshot, tenant_row_visit *visit,
                                  void *context) {
    struct store_cursor *cursor = NULL;
    TRY(store_cursor_open(snapshot, STORE_TABLE_TENANT, slice_of(NULL, 0), slice_of(NULL, 0),
                          &cursor));
    struct slice key;
    struct slice value;
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status)) {
        struct slice name;
        uint64_t counters[TENANT_COUNTER_COUNT];
        status = tenant_row_read(value, &name, counters);
        if (status_is_ok(status)) {
            visit(context, name, counters);
            status = store_cursor_next(cursor, &key, &value);
        }
    }
    store_cursor_close(cursor);
    return status.code == STATUS_END ? status_ok() : status;
}

struct stats_sum {
    struct slice tenant; /* empty: all */
    uint64_t counters[TENANT_COUNTER_COUNT];
    uint64_t journal_bytes;
    uint64_t lag_events;
    struct text *json;
    bool is_first;
};

static void sum_row(void *context, struct slice name,
                    const uint64_t counters[TENANT_COUNTER_COUNT]) {
    struct stats_sum *sum = context;
    if (slice_is_empty(sum->tenant) || slice_equals(sum->tenant, name)) {
        for (uint32_t i = 0; i < TENANT_COUNTER_COUNT; i++) {
            sum->counters[i] += counters[i];
        }
    }
}

/* One journal has the events of all: what is said of it is the same of each. */
static void add_journal(const struct stats_sum *sum) {
    text_add_text(sum->json, ",\"journal_bytes\":");
    text_add_u64(sum->json, sum->journal_bytes);
    text_add_text(sum->json, ",\"journal_lag_events\":");
    text_add_u64(sum->json, sum->lag_events);
}

static void add_row(void *context, struct slice name,
                    const uint64_t counters[TENANT_COUNTER_COUNT]) {
    struct stats_sum *sum = context;
    if (!slice_is_empty(sum->tenant) && !slice_equals(sum->tenant, name)) {
        return;
    }
    text_add_text(sum->json, sum->is_first ? "" : ",");
    sum->is_first = false;
    text_add_json_string(sum->json, name);
    text_add_text(sum->json, ":{");
    add_counters(sum->json, counters);
    add_journal(sum);
    text_add_char(sum->json, '}');
}

static struct status render_stats(struct store_snapshot *snapshot, struct stats_sum *sum) {
    TRY(walk_tenants(snapshot, sum_row, sum));
    text_add_char(sum->json, '{');
    add_counters(sum->json, sum->counters);
    add_journal(sum);
    text_add_text(sum->json, ",\"tenants\":{");
    TRY(walk_tenants(snapshot, add_row, sum));
    text_add_text(sum->json, "}}");
    return view_text_done(sum->json);
}

struct status view_stats_json(struct view_reader *reader, struct slice tenant, struct text *json) {
    /* The lag before the snapshot: where it is 0, the counters beside it have everything. */
    struct stats_sum sum = {.tenant = tenant,
                            .journal_bytes = stats_get(reader->view->stats, STAT_JOURNAL_BYTES),
                            .lag_events = stats_get(reader->view->stats, STAT_JOURNAL_LAG_EVENTS),
                            .json = json,
                            .is_first = true};
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct status status = render_stats(snapshot, &sum);
    store_snapshot_release(snapshot);
    return status;
}

struct prometheus_walk {
    struct text *text;
    uint32_t counter;
};

/* Prometheus counters end in _total; one of ours does already. */
static void add_counter_name(struct text *text, uint32_t counter) {
    struct slice name = slice_of_text(counter_names[counter]);
    struct slice suffix = SLICE("_total");
    bool has_suffix =
        name.size > suffix.size && slice_equals(slice_tail(name, name.size - suffix.size), suffix);
    text_add_text(text, "quell_");
    text_add(text, name);
    text_add_text(text, has_suffix ? "" : "_total");
}

static void add_sample(void *context, struct slice name,
                       const uint64_t counters[TENANT_COUNTER_COUNT]) {
    struct prometheus_walk *walk = context;
    add_counter_name(walk->text, walk->counter);
    text_add_char(walk->text, '{');
    text_add_label(walk->text, "tenant", name);
    text_add_text(walk->text, "} ");
    text_add_u64(walk->text, counters[walk->counter]);
    text_add_char(walk->text, '\n');
}

struct status view_stats_prometheus(struct view_reader *reader, struct text *text) {
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct status status = status_ok();
    for (uint32_t i = 0; i < TENANT_COUNTER_COUNT && status_is_ok(status); i++) {
        text_add_text(text, "# HELP ");
        add_counter_name(text, i);
        text_add_format(text, " %s, since the data directory was made\n# TYPE ", counter_helps[i]);
        add_counter_name(text, i);
        text_add_text(text, " counter\n");
        struct prometheus_walk walk = {text, i};
        status = walk_tenants(snapshot, add_sample, &walk);
    }
    store_snapshot_release(snapshot);
    return status_is_ok(status) ? view_text_done(text) : status;
}
