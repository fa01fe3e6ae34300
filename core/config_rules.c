/*
 * config_rules.c - which scalar keys there are, of which type, and where their value goes. All from
 * config_key_list.h, so that a key stands in one place.
 */
#include "core/config_rules.h"

#include <stddef.h>

#include "core/base/assert.h"

enum rule_type {
    RULE_TEXT,
    RULE_NAME,
    RULE_SIZE,
    RULE_DURATION,
    RULE_COUNT,
    RULE_NUMBER,
    RULE_SWITCH,
    RULE_TOKENS_OPERATOR,
    RULE_TOKENS_METRICS,
    RULE_WORD_IO,
    RULE_WORD_SYNC,
    RULE_WORD_AUTH,
    RULE_WORD_ADDRESSES,
    RULE_WORD_CLIENT_AUTH,
    RULE_WORD_LOG_FORMAT,
    RULE_WORD_LOG_LEVEL,
    RULE_TYPE_COUNT
};

struct rule {
    const char *path;
    enum rule_type type;
    size_t offset;
};

static const struct rule process_rules[] = {
#define CONFIG_KEY(path, type, field, when) {path, RULE_##type, offsetof(struct config, field)},
#include "core/config_key_list.h"
#undef CONFIG_KEY
};

static const struct rule policy_rules[] = {
#define CONFIG_POLICY_KEY(path, type, field) {path, RULE_##type, offsetof(struct policy, field)},
#include "core/config_key_list.h"
#undef CONFIG_POLICY_KEY
};

enum {
    PROCESS_RULES_COUNT = sizeof(process_rules) / sizeof(process_rules[0]),
    POLICY_RULES_COUNT = sizeof(policy_rules) / sizeof(policy_rules[0]),
};

struct rule_word {
    const char *word;
    int value;
};

static const struct rule_word rule_words[RULE_TYPE_COUNT][5] = {
    [RULE_WORD_IO] = {{"auto", LOOP_AUTO}, {"io_uring", LOOP_IO_URING}, {"epoll", LOOP_EPOLL}},
    [RULE_WORD_SYNC] = {{"always", JOURNAL_SYNC_ALWAYS},
                        {"interval", JOURNAL_SYNC_INTERVAL},
                        {"never", JOURNAL_SYNC_NEVER}},
    [RULE_WORD_AUTH] = {{"none", AUTH_NONE}, {"token", AUTH_TOKEN}},
    [RULE_WORD_ADDRESSES] = {{"public", SINK_ADDRESSES_PUBLIC},
                             {"private", SINK_ADDRESSES_PRIVATE},
                             {"any", SINK_ADDRESSES_ANY}},
    [RULE_WORD_CLIENT_AUTH] = {{"none", TLS_CLIENT_NONE},
                               {"request", TLS_CLIENT_REQUEST},
                               {"require", TLS_CLIENT_REQUIRE}},
    [RULE_WORD_LOG_FORMAT] = {{"json", LOG_FORMAT_JSON}, {"text", LOG_FORMAT_TEXT}},
    [RULE_WORD_LOG_LEVEL] = {{"debug", LOG_LEVEL_DEBUG},
                             {"info", LOG_LEVEL_INFO},
                             {"warning", LOG_LEVEL_WARNING},
                             {"error", LOG_LEVEL_ERROR}},
};

const struct toml_value *config_child(const struct toml_value *table, const char *key) {
    if (table == NULL || table->kind != TOML_TABLE) {
        return NULL;
    }
    for (uint32_t i = 0; i < table->children_count; i++) {
        if (slice_equals(table->children[i].key, slice_of_text(key))) {
            return &table->children[i];
        }
    }
    return NULL;
}

/* --- Values --- */

struct slice config_text(struct config_build *build, const struct toml_value *value) {
    if (value->kind != TOML_STRING) {
        config_error_value(build, value, "a string in quotes is wanted here");
        build->told = value;
        return slice_of(NULL, 0);
    }
    return value->text;
}

struct slice config_name(struct config_build *build, const struct toml_value *value) {
    struct slice text = config_text(build, value);
    for (struct slice rest = text; rest.size > 0; rest = slice_tail(rest, 1)) {
        if (slice_starts_with(rest, SLICE("${env:")) || slice_starts_with(rest, SLICE("${file:"))) {
            config_error_value(build, value,
                               "${env:} and ${file:} are for secrets: here they are not read");
            break;
        }
    }
    return text;
}

void config_switch(struct config_build *build, const struct toml_value *value, bool *target) {
    if (value->kind != TOML_BOOLEAN) {
        config_error_value(build, value, "true or false is wanted here");
        return;
    }
    *target = value->boolean;
}

bool config_text_array(struct config_build *build, const struct toml_value *value,
                       struct slice **items_out, uint32_t *count_out) {
    if (value->kind != TOML_ARRAY) {
        config_error_value(build, value,
                           "an array of strings is wanted here, such as [\"a\", \"b\"]");
        return false;
    }
    struct slice *items = ARENA_ARRAY(build->arena, struct slice, value->children_count + 1);
    if (items == NULL) {
        config_error(build, value, "the configuration is too large");
        return false;
    }
    for (uint32_t i = 0; i < value->children_count; i++) {
        items[i] = config_text(build, &value->children[i]);
    }
    *items_out = items;
    *count_out = value->children_count;
    return true;
}

static void apply_text(struct config_build *build, const struct toml_value *value,
                       struct slice *target) {
    struct fault fault;
    bool is_secret = false;
    struct slice text = config_text(build, value);
    if (value->kind != TOML_STRING) {
        return; /* told; what was there stays, so that nothing else is told about it */
    }
    if (!status_is_ok(config_expand(text, build->arena, target, &is_secret, &fault))) {
        config_error_value(build, value, "%s", fault.words);
    }
}

static void apply_duration(struct config_build *build, const struct toml_value *value,
                           uint64_t *target) {
    uint64_t span = 0;
    if (value->kind != TOML_STRING || !status_is_ok(text_parse_duration(value->text, &span))) {
        config_error_value(build, value,
                           "a duration is wanted here, such as \"10s\", \"5m\" or \"4h\"");
        return;
    }
    if (span > DURATION_NS_MAX) {
        config_error_value(build, value, "a duration is at most 36500d, a hundred years");
        return;
    }
    *target = span;
}

static void apply_size(struct config_build *build, const struct toml_value *value,
                       uint64_t *target) {
    uint64_t bytes = 0;
    bool is_number = value->kind == TOML_INTEGER && value->integer >= 0;
    if (!is_number &&
        (value->kind != TOML_STRING || !status_is_ok(text_parse_size(value->text, &bytes)))) {
        config_error_value(build, value,
                           "a size is wanted here, such as \"64KiB\": in B, KiB, MiB, GiB, TiB, or "
                           "decimal in kB, MB, GB, TB");
        return;
    }
    *target = is_number ? (uint64_t)value->integer : bytes;
}

static void apply_count(struct config_build *build, const struct toml_value *value,
                        uint32_t *target) {
    if (value->kind != TOML_INTEGER || value->integer < 1 || value->integer > (1 << 30)) {
        config_error_value(build, value, "a whole number from 1 to %d is wanted here", 1 << 30);
        return;
    }
    *target = (uint32_t)value->integer;
}

/* What config_check.c alone bounds, and says so; one that is no count at all is 0 there. */
static void apply_number(struct config_build *build, const struct toml_value *value,
                         uint32_t *target) {
    if (value->kind != TOML_INTEGER) {
        config_error_value(build, value, "a whole number is wanted here");
        return;
    }
    bool is_count = value->integer > 0 && value->integer <= 1 << 30;
    *target = is_count ? (uint32_t)value->integer : 0;
}

static void apply_word(struct config_build *build, const struct toml_value *value,
                       const struct rule_word *words, int *target) {
    char list[128];
    struct text text = text_over(list, sizeof(list));
    for (uint32_t i = 0; words[i].word != NULL; i++) {
        if (value->kind == TOML_STRING && slice_equals(value->text, slice_of_text(words[i].word))) {
            *target = words[i].value;
            return;
        }
        text_add_format(&text, "%s\"%s\"", i == 0 ? "" : ", ", words[i].word);
    }
    config_error_value(build, value, "one of %s is wanted here", list);
}

static void apply_rule(struct config_build *build, const struct rule *rule,
                       const struct toml_value *value, uint8_t *target) {
    switch (rule->type) {
    case RULE_TEXT:
        apply_text(build, value, (struct slice *)(void *)(target + rule->offset));
        return;
    case RULE_NAME:
        *(struct slice *)(void *)(target + rule->offset) = config_name(build, value);
        return;
    case RULE_SIZE:
        apply_size(build, value, (uint64_t *)(void *)(target + rule->offset));
        return;
    case RULE_DURATION:
        apply_duration(build, value, (uint64_t *)(void *)(target + rule->offset));
        return;
    case RULE_COUNT:
        apply_count(build, value, (uint32_t *)(void *)(target + rule->offset));
        return;
    case RULE_NUMBER:
        apply_number(build, value, (uint32_t *)(void *)(target + rule->offset));
        return;
    case RULE_SWITCH:
        config_switch(build, value, (bool *)(target + rule->offset));
        return;
    case RULE_TOKENS_OPERATOR:
        config_read_tokens(build, value, CONFIG_ROLE_OPERATOR, slice_of(NULL, 0));
        return;
    case RULE_TOKENS_METRICS:
        config_read_tokens(build, value, CONFIG_ROLE_METRICS, slice_of(NULL, 0));
        return;
    default:
        apply_word(build, value, rule_words[rule->type], (int *)(void *)(target + rule->offset));
    }
}

static const struct rule *find_rule(const struct rule *rules, uint32_t count, struct slice path) {
    for (uint32_t i = 0; i < count; i++) {
        if (slice_equals(slice_of_text(rules[i].path), path)) {
            return &rules[i];
        }
    }
    return NULL;
}

static bool is_override(const struct toml_value *value) {
    return slice_equals(value->file, SLICE("--set"));
}

static void refuse_again(struct config_build *build, const struct config_given *first,
                         const struct config_given *again) {
    char memory[64];
    struct text place = text_over(memory, sizeof(memory));
    bool is_override_first = is_override(first->value); /* has no lines */
    if (!is_override_first) {
        text_add_format(&place, " in line %u", first->value->line);
    }
    config_error(build, again->value, "%s%s is set already, by %s%s%s%.*s", again->above,
                 again->path, is_override_first ? "--set " : "", first->above, first->path,
                 SLICE_PRINT(text_slice(&place)));
}

/* Whether the value is to be applied. A field has more than one name or place: of those in files
 * all but one would count for nothing, and one of --set overrides them. */
static bool take_turn(struct config_build *build, const struct rule *rule, const void *field,
                      const struct toml_value *value) {
    struct config_given *given = build->given;
    struct config_given *end = given + build->given_count;
    const char *above = build->is_below_defaults ? "defaults." : "";
    const struct config_given this = {field, above, rule->path, value};
    bool is_list = rule->type == RULE_TOKENS_OPERATOR || rule->type == RULE_TOKENS_METRICS;
    while (given < end && (given->field != field || is_list)) {
        given++;
    }
    if (given < end && is_override(given->value) && !is_override(value)) {
        return false;
    }
    if (given < end && is_override(given->value) == is_override(value)) {
        bool is_first = given->value->line <= value->line;
        refuse_again(build, is_first ? given : &this, is_first ? &this : given);
        return false;
    }
    if (given < build->given + CONFIG_GIVEN_MAX) {
        build->given_count += given == end ? 1 : 0;
        *given = this;
    }
    return true;
}

bool config_apply_process_key(struct config_build *build, struct slice path,
                              const struct toml_value *value) {
    const struct rule *rule = find_rule(process_rules, PROCESS_RULES_COUNT, path);
    uint8_t *target = (uint8_t *)build->config;
    if (rule != NULL && take_turn(build, rule, target + rule->offset, value)) {
        apply_rule(build, rule, value, target);
    }
    return rule != NULL;
}

/* They are joined by commas, and read again without the blanks around them. */
static bool check_dedup_keys(struct config_build *build, const struct toml_value *value,
                             const struct slice *keys, uint32_t count) {
    bool is_good = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct toml_value *item = &value->children[i];
        bool is_key =
            item->kind != TOML_STRING || /* which is told already */
            (slice_trim(keys[i]).size > 0 && slice_find_byte(keys[i], ',') == keys[i].size);
        if (!is_key) {
            config_error(build, item, "dedup.by: a key is one name, such as \"entity\"");
        }
        is_good = is_good && is_key;
    }
    if (count > DEDUP_BY_KEYS_MAX) {
        config_error_value(build, value, "at most %u keys", DEDUP_BY_KEYS_MAX);
    }
    return is_good && count <= DEDUP_BY_KEYS_MAX;
}

static void apply_dedup_by(struct config_build *build, const struct toml_value *value,
                           struct policy *policy) {
    struct slice *keys = NULL;
    uint32_t count = 0;
    char joined[DEDUP_BY_BYTES_MAX + 1];
    struct text text = text_over(joined, sizeof(joined));
    if (!config_text_array(build, value, &keys, &count) ||
        !check_dedup_keys(build, value, keys, count)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        text_add_text(&text, i == 0 ? "" : ",");
        text_add(&text, keys[i]);
    }
    if (text.truncated) {
        config_error_value(build, value, "the keys have at most %u bytes", DEDUP_BY_BYTES_MAX);
    } else if (!status_is_ok(arena_copy(build->arena, text_slice(&text), &policy->dedup_by))) {
        config_error(build, value, "the configuration is too large");
    }
}

static const struct rule dedup_by_rule = {.path = "dedup.by", .type = RULE_TEXT};

bool config_apply_policy_key(struct config_build *build, struct slice path,
                             const struct toml_value *value, struct policy *policy) {
    if (slice_equals(path, SLICE("dedup.by"))) {
        if (take_turn(build, &dedup_by_rule, &policy->dedup_by, value)) {
            apply_dedup_by(build, value, policy);
        }
        return true;
    }
    const struct rule *rule = find_rule(policy_rules, POLICY_RULES_COUNT, path);
    uint8_t *target = (uint8_t *)policy;
    if (rule != NULL && take_turn(build, rule, target + rule->offset, value)) {
        apply_rule(build, rule, value, target);
    }
    return rule != NULL;
}

/* The last parts of all keys below `prefix`, for "did you mean". */
static void list_candidates(const char *prefix, const struct rule *rules, uint32_t count,
                            const char **candidates, uint32_t *at) {
    size_t size = strlen(prefix);
    for (uint32_t i = 0; i < count; i++) {
        const char *path = rules[i].path;
        if (size > 0 && (strncmp(path, prefix, size) != 0 || path[size] != '.')) {
            continue;
        }
        candidates[(*at)++] = size > 0 ? path + size + 1 : path;
    }
}

static const char *const process_sections[] = {"listen", "server", "journal",  "auth", "log",
                                               "sinks",  "tls",    "defaults", "kafka"};
static const char *const sections[] = {"limits",  "dedup",      "idempotency",  "correlate",
                                       "notify",  "graph",      "job",          "incident",
                                       "route",   "sink",       "tenant",       "labels",
                                       "silence", "quarantine", "dead_letters", "incidents"};
enum {
    PROCESS_SECTIONS_COUNT = sizeof(process_sections) / sizeof(process_sections[0]),
    SECTIONS_COUNT = sizeof(sections) / sizeof(sections[0]),
    CANDIDATES_MAX =
        PROCESS_RULES_COUNT + POLICY_RULES_COUNT + PROCESS_SECTIONS_COUNT + SECTIONS_COUNT + 1,
};

static bool is_process_section(struct slice key) {
    for (uint32_t i = 0; i < PROCESS_SECTIONS_COUNT; i++) {
        if (slice_equals(key, slice_of_text(process_sections[i]))) {
            return true;
        }
    }
    return false;
}

static void report_unknown(struct config_build *build, const char *prefix,
                           const struct toml_value *value, bool with_policy, bool with_process) {
    const char *candidates[CANDIDATES_MAX] = {0};
    uint32_t count = 0;
    if (!with_process && prefix[0] == 0 && is_process_section(value->key) &&
        !slice_equals(value->key, SLICE("sinks"))) { /* [sink.name] is more likely meant */
        config_error(build, value, "unknown key \"%.*s\": it stands in quell.toml, for all tenants",
                     SLICE_PRINT(value->key));
        return;
    }
    if (with_process) {
        list_candidates(prefix, process_rules, PROCESS_RULES_COUNT, candidates, &count);
    }
    if (with_policy) {
        list_candidates(prefix, policy_rules, POLICY_RULES_COUNT, candidates, &count);
    }
    for (uint32_t i = 0; prefix[0] == 0 && with_process && i < PROCESS_SECTIONS_COUNT; i++) {
        candidates[count++] = process_sections[i];
    }
    for (uint32_t i = 0; prefix[0] == 0 && i < SECTIONS_COUNT; i++) {
        candidates[count++] = sections[i];
    }
    ASSERT(count < CANDIDATES_MAX); /* a NULL ends them */
    config_error_unknown(build, value, prefix, candidates);
}

void config_apply_table(struct config_build *build, const char *prefix,
                        const struct toml_value *table, struct policy *policy, bool with_process) {
    for (uint32_t i = 0; i < table->children_count; i++) {
        const struct toml_value *value = &table->children[i];
        char path_bytes[256];
        struct text path = text_over(path_bytes, sizeof(path_bytes));
        text_add_text(&path, prefix);
        text_add_text(&path, prefix[0] == 0 ? "" : ".");
        text_add(&path, value->key);
        bool is_known =
            (with_process && config_apply_process_key(build, text_slice(&path), value)) ||
            (policy != NULL && config_apply_policy_key(build, text_slice(&path), value, policy));
        if (!is_known) {
            report_unknown(build, prefix, value, policy != NULL, with_process);
        }
    }
}
