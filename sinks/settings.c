/*
 * settings.c - which sink types there are, and the checks of what a config says about a sink: its
 * type, its own keys, and the host's (timeout, max_attempts, backoff, rate, breaker_wait, ...).
 */
#include "sinks/sinks_internal.h"

#include "core/base/assert.h"
#include "core/config_rules.h"
#include "sinks/kafka_sink.h"
#include "sinks/plugin.h"
#include "sinks/postgres.h"
#include "sinks/slack.h"
#include "sinks/stdout.h"
#include "sinks/webhook.h"

static const struct sink_type *const sink_types[] = {
    &sink_stdout_type, &sink_webhook_type, &sink_slack_type, &sink_postgres_type, &sink_kafka_type};
#define SPAN_NS_MAX NS_PER_DAY
#define SPAN_NS_MIN (10 * NS_PER_MS) /* nothing is tried again without a rest */
enum { COUNT_MAX = 1000 };
enum { SINK_TYPES_COUNT = sizeof(sink_types) / sizeof(sink_types[0]) };

static const char *const host_settings[] = {
    "timeout", "max_attempts", "backoff", "backoff_max", "rate", "breaker_failures", "breaker_wait",
};
enum { HOST_SETTINGS_COUNT = sizeof(host_settings) / sizeof(host_settings[0]) };

struct slice sink_setting_find(const struct config_sink *config, const char *key) {
    for (uint32_t i = 0; i < config->settings_count; i++) {
        if (slice_equals(config->settings[i].key, slice_of_text(key))) {
            return config->settings[i].value;
        }
    }
    return slice_of(NULL, 0);
}

struct status sink_type_find(const struct config_sink *sink, const struct sink_type **type_out,
                             struct fault *fault) {
    for (uint32_t i = 0; i < SINK_TYPES_COUNT; i++) {
        if (slice_equals(sink->type, slice_of_text(sink_types[i]->name))) {
            *type_out = sink_types[i];
            return status_ok();
        }
    }
    return plugin_find_type(sink, type_out, fault);
}

static bool setting_is_known(const struct sink_type *type, struct slice key) {
    for (uint32_t i = 0; i < HOST_SETTINGS_COUNT; i++) {
        if (slice_equals(key, slice_of_text(host_settings[i]))) {
            return true;
        }
    }
    for (uint32_t i = 0; type->setting_names[i] != NULL; i++) {
        struct slice name = slice_of_text(type->setting_names[i]);
        bool is_below =
            slice_starts_with(key, name) && key.size > name.size && key.data[name.size] == '.';
        if (slice_equals(key, name) || is_below) {
            return true;
        }
    }
    return false;
}

struct place {
    uint32_t line;
    uint32_t column;
};

static void add_error(struct config_errors *errors, const struct config_sink *sink,
                      struct place place, struct slice words) {
    text_add_format(&errors->text, "%.*s:%u:%u: sink \"%.*s\": ", SLICE_PRINT(sink->file),
                    place.line, place.column, SLICE_PRINT(sink->name));
    text_add_printable(&errors->text, words);
    text_add_char(&errors->text, '\n');
    errors->count++;
}

static bool is_one_of(struct slice word, const char *const *words) {
    while (*words != NULL && !slice_equals(word, slice_of_text(*words))) {
        words++;
    }
    return *words != NULL;
}

/* What only looks like a setting would be left out in silence: a header that is never sent, a
 * secret that signs nothing. What a stranger's sink makes of a list or a table is his. */
static void check_shape(const struct config_sink *sink, const struct sink_type *type,
                        const struct config_setting *setting, struct config_errors *errors) {
    static const char *const tables[] = {"headers", "properties", NULL};
    static const char *const lists[] = {"brokers", NULL};
    size_t name_bytes = slice_find_byte(setting->key, '.');
    struct slice name = slice_head(setting->key, name_bytes);
    bool is_below = name_bytes < setting->key.size;
    bool wants_table = is_one_of(name, tables);
    bool is_ours = false;
    for (uint32_t i = 0; i < SINK_TYPES_COUNT; i++) {
        is_ours = is_ours || type == sink_types[i];
    }
    bool is_one = !setting->is_table && (!setting->is_list || is_one_of(name, lists));
    bool is_empty_table = wants_table && !is_below && setting->is_table;
    if (!is_ours || is_empty_table || (wants_table == is_below && is_one)) {
        return;
    }
    char words[256];
    struct text text = text_over(words, sizeof(words));
    if (wants_table && !is_below) {
        text_add_format(&text, "%.*s: a table is wanted here: %.*s = { name = \"value\" }",
                        SLICE_PRINT(name), SLICE_PRINT(name));
    } else {
        text_add_format(&text, "%.*s: one value is wanted here, no list and no table",
                        SLICE_PRINT(is_below && wants_table ? setting->key : name));
    }
    add_error(errors, sink, (struct place){setting->line, setting->column}, text_slice(&text));
}

static void check_keys(const struct config_sink *sink, const struct sink_type *type,
                       struct config_errors *errors) {
    for (uint32_t i = 0; i < sink->settings_count; i++) {
        const struct config_setting *setting = &sink->settings[i];
        if (setting_is_known(type, setting->key)) {
            check_shape(sink, type, setting, errors);
            continue;
        }
        char words[256];
        struct text text = text_over(words, sizeof(words));
        struct text_guess guess = text_guess_of(setting->key);
        for (uint32_t k = 0; type->setting_names[k] != NULL; k++) {
            text_guess_try(&guess, type->setting_names[k]);
        }
        for (uint32_t k = 0; k < HOST_SETTINGS_COUNT; k++) {
            text_guess_try(&guess, host_settings[k]);
        }
        text_add_format(&text, "unknown key \"%.*s\"", SLICE_PRINT(setting->key));
        text_add_guess(&text, &guess);
        add_error(errors, sink, (struct place){setting->line, setting->column}, text_slice(&text));
    }
}

static struct status read_spans(const struct config_sink *sink, struct sink_limits *limits,
                                struct fault *fault) {
    const struct {
        const char *name;
        uint64_t *target;
    } spans[] = {
        {"timeout", &limits->timeout_ns},
        {"backoff", &limits->backoff_ns},
        {"backoff_max", &limits->backoff_ns_max},
        {"breaker_wait", &limits->breaker_wait_ns},
    };
    struct status status = status_ok();
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        struct slice value = sink_setting_find(sink, spans[i].name);
        if (value.size > 0 && (!status_is_ok(text_parse_duration(value, spans[i].target)) ||
                               *spans[i].target < SPAN_NS_MIN || *spans[i].target > SPAN_NS_MAX)) {
            struct fault one;
            struct status bad =
                fault_set(&one, STATUS_INVALID, "%s is a duration from 10ms to 1d, such as \"10s\"",
                          spans[i].name);
            status = fault_join(fault, status, bad, &one);
        }
    }
    if (status_is_ok(status) && sink_setting_find(sink, "backoff").size > 0 &&
        sink_setting_find(sink, "backoff_max").size > 0 &&
        limits->backoff_ns > limits->backoff_ns_max) {
        return fault_set(fault, STATUS_INVALID, "backoff is longer than backoff_max");
    }
    return status;
}

static struct status read_count(const struct config_sink *sink, const char *name,
                                uint64_t *count_out, bool *is_set_out, struct fault *fault) {
    struct slice value = sink_setting_find(sink, name);
    uint64_t count = 0;
    if (value.size == 0) {
        return status_ok();
    }
    if (!status_is_ok(text_parse_u64(value, &count)) || count == 0 || count > COUNT_MAX) {
        return fault_set(fault, STATUS_INVALID, "%s is a number from 1 to %d", name, COUNT_MAX);
    }
    *count_out = count;
    *is_set_out = true;
    return status_ok();
}

/* "5/s", "30/m", "100/h"; a bare number is a second's. */
static struct status read_rate(const struct config_sink *sink, struct sink_limits *limits,
                               struct fault *fault) {
    struct slice value = sink_setting_find(sink, "rate");
    uint64_t count = 0;
    if (value.size == 0) {
        return status_ok();
    }
    size_t slash = slice_find_byte(value, '/');
    struct slice unit = slice_tail(value, slash + 1);
    uint64_t span_ns = unit.size == 0                   ? NS_PER_S
                       : slice_equals(unit, SLICE("s")) ? NS_PER_S
                       : slice_equals(unit, SLICE("m")) ? NS_PER_MINUTE
                       : slice_equals(unit, SLICE("h")) ? NS_PER_HOUR
                                                        : 0;
    if (span_ns == 0 || !status_is_ok(text_parse_u64(slice_head(value, slash), &count)) ||
        count == 0 || count > NS_PER_S) {
        return fault_set(fault, STATUS_INVALID, "rate is such as \"1/s\", \"30/m\" or \"100/h\"");
    }
    limits->pace_ns = span_ns / count;
    limits->pace_is_set = true;
    return status_ok();
}

struct status sink_limits_read(const struct config_sink *sink, struct sink_limits *limits_out,
                               struct fault *fault) {
    bool ignored = false;
    struct sink_limits limits = {.timeout_ns = 15 * NS_PER_S,
                                 .backoff_ns = NS_PER_S,
                                 .backoff_ns_max = 5 * NS_PER_MINUTE,
                                 .attempts_max = 10,
                                 .breaker_failures = 5};
    struct fault one;
    struct status status = read_spans(sink, &limits, fault);
    struct status next =
        read_count(sink, "max_attempts", &limits.attempts_max, &limits.attempts_are_set, &one);
    status = fault_join(fault, status, next, &one);
    next = read_count(sink, "breaker_failures", &limits.breaker_failures, &ignored, &one);
    status = fault_join(fault, status, next, &one);
    next = read_rate(sink, &limits, &one);
    TRY(fault_join(fault, status, next, &one));
    if (sink_setting_find(sink, "backoff_max").size == 0 &&
        limits.backoff_ns > limits.backoff_ns_max) {
        limits.backoff_ns_max = limits.backoff_ns;
    }
    if (limits.breaker_wait_ns == 0) { /* a sink that is back is found soon, and not hammered */
        limits.breaker_wait_ns = 10 * limits.backoff_ns;
    }
    *limits_out = limits;
    return status_ok();
}

/* Words that begin with a setting's name are about that setting. */
static void add_fault_line(struct config_errors *errors, const struct config_sink *sink,
                           struct slice words) {
    struct place place = {sink->line, sink->column};
    bool is_told = false;
    if (slice_starts_with(words, SLICE("type "))) {
        place = (struct place){sink->type_line, sink->type_column};
    }
    for (uint32_t i = 0; i < sink->settings_count; i++) {
        const struct config_setting *setting = &sink->settings[i];
        bool is_named =
            slice_starts_with(words, setting->key) && words.size > setting->key.size &&
            (words.data[setting->key.size] == ' ' || words.data[setting->key.size] == ':');
        if (is_named) {
            place = (struct place){setting->line, setting->column};
            is_told = setting->is_unresolved;
        }
    }
    if (!is_told) {
        add_error(errors, sink, place, words);
    }
}

static void add_fault(struct config_errors *errors, const struct config_sink *sink,
                      struct status status, const struct fault *fault) {
    struct slice words = slice_of_text(fault->words);
    while (!status_is_ok(status) && words.size > 0) {
        struct slice line = slice_head(words, slice_find_byte(words, '\n'));
        add_fault_line(errors, sink, line);
        words = slice_tail(words, line.size + 1);
    }
}

/* A file that is not there, or holds no certificate, would only be known by the first incident. */
static struct status check_ca_file(const struct config_sink *sink, struct arena *arena,
                                   struct fault *fault) {
    struct slice value = sink_setting_find(sink, "ca_file");
    char path[SINK_URL_BYTES_MAX + 1];
    struct text text = text_over(path, sizeof(path));
    struct slice bytes;
    struct fault one;
    text_add(&text, value);
    if (value.size == 0) {
        return status_ok();
    }
    if (text.truncated) {
        return fault_set(fault, STATUS_INVALID, "ca_file has at most %d bytes", SINK_URL_BYTES_MAX);
    }
    struct status status = config_read_file(path, MIB, arena, &bytes, &one);
    if (!status_is_ok(status)) {
        return fault_set(fault, STATUS_INVALID, "ca_file: %s", one.words);
    }
    static const char end[] = "CERTIFICATE-----";
    return memmem(bytes.data, bytes.size, end, sizeof(end) - 1) != NULL
               ? status_ok()
               : fault_set(fault, STATUS_INVALID, "ca_file holds no certificate in PEM");
}

/* What the type says of its own settings. */
static void check_type(const struct config_sink *sink, const struct sink_type *type,
                       struct arena *arena, struct config_errors *errors) {
    struct fault fault = {0};
    void *state = NULL;
    struct status status = type->open(sink, arena, &state, &fault);
    add_fault(errors, sink, status, &fault);
    if (status_is_ok(status) && type->close != NULL) {
        type->close(state);
    }
}

static void check_sink(const struct config_sink *sink, struct arena *arena, uint32_t *copies_count,
                       struct config_errors *errors) {
    struct fault fault = {0};
    struct sink_limits limits;
    bool is_copied = false;
    const struct sink_type *type = NULL;
    if (sink->type.size == 0) {
        return; /* told already */
    }
    struct status status = sink_type_find(sink, &type, &fault);
    add_fault(errors, sink, status, &fault);
    if (!status_is_ok(status)) {
        return;
    }
    check_keys(sink, type, errors);
    status = sink_limits_read(sink, &limits, &fault);
    add_fault(errors, sink, status, &fault);
    status = event_copy_is_wanted(sink, type, &is_copied, &fault);
    add_fault(errors, sink, status, &fault);
    status = check_ca_file(sink, arena, &fault);
    add_fault(errors, sink, status, &fault);
    check_type(sink, type, arena, errors);
    *copies_count += is_copied ? 1 : 0;
    if (is_copied && *copies_count == EVENT_COPIES_MAX + 1) {
        add_error(errors, sink, (struct place){sink->line, sink->column},
                  SLICE("more than 16 sinks with events = true: use one of the defaults"));
    }
}

struct status sinks_check_config(const struct config *config, struct config_errors *errors) {
    struct arena arena = {0};
    uint32_t copies_count = 0;
    TRY(arena_init(&arena, GIB));
    for (uint32_t i = 0; i < config->sinks_count; i++) {
        check_sink(&config->sinks[i], &arena, &copies_count, errors);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return errors->count == 0 ? status_ok() : status_of(STATUS_INVALID);
}
