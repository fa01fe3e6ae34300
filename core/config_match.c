/*
 * config_match.c - whom a route or a silence means, labels, silences. A time zone's name becomes
 * its rule here (schemas/zone.h), so nothing behind the journal reads zone files.
 */
#include "core/config_rules.h"

#include <stdio.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "schemas/zone.h"

#define ZONE_DIRECTORY "/usr/share/zoneinfo"
#define ZONE_FILE_BYTES_MAX (256 * KIB)
enum { ZONE_NAME_BYTES_MAX = 64, LABEL_KEY_BYTES_MAX = 64 };

/* --- Time zones --- */

static bool is_zone_name(struct slice name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool is_other = (byte >= '0' && byte <= '9') || strchr("_+-/", byte) != NULL;
        if (byte == 0 || (!is_letter && (i == 0 || !is_other))) {
            return false;
        }
    }
    return name.size > 0 && name.size <= ZONE_NAME_BYTES_MAX;
}

/* The last line of a zone file: what holds from now on (RFC 8536, section 3.3). */
static struct slice footer_of(struct slice file) {
    bool is_zone = slice_starts_with(file, SLICE("TZif")) && file.data[file.size - 1] == '\n';
    size_t end = is_zone ? file.size - 1 : 0;
    size_t start = end;
    while (start > 0 && file.data[start - 1] != '\n') {
        start--;
    }
    return slice_of(file.data + start, end - start);
}

static struct slice read_zone(struct config_build *build, const struct toml_value *value) {
    struct slice name = config_text(build, value);
    struct slice none = slice_of(NULL, 0);
    char path[256];
    struct slice file;
    struct fault reason;
    if (slice_equals(name, SLICE("UTC"))) {
        return none;
    }
    (void)snprintf(path, sizeof(path), ZONE_DIRECTORY "/%.*s", SLICE_PRINT(name));
    if (!is_zone_name(name) ||
        !status_is_ok(config_read_file(path, ZONE_FILE_BYTES_MAX, build->arena, &file, &reason))) {
        config_error(build, value, "no time zone is named \"%.*s\", such as \"Europe/Berlin\"",
                     SLICE_PRINT(name));
        return none;
    }
    struct slice rule = footer_of(file);
    if (!status_is_ok(zone_check(rule))) {
        config_error(build, value, "the rule of time zone \"%.*s\" cannot be read",
                     SLICE_PRINT(name));
        return none;
    }
    return rule;
}

void config_check_zone(struct config_build *build, const struct toml_value *value) {
    if (access(ZONE_DIRECTORY, X_OK) == 0 || !is_zone_name(value->text)) {
        (void)read_zone(build, value);
    } /* else nobody knows here which there are, and only quell check would ask */
}

/* --- Matches --- */

static void read_severity(struct config_build *build, const struct toml_value *value,
                          struct policy_match *match) {
    if (!status_is_ok(policy_severity_parse(config_text(build, value), match))) {
        config_error(build, value, "a severity is wanted here, such as \">=error\" or \"info\"");
    }
}

static void read_days(struct config_build *build, const struct toml_value *value,
                      struct policy_match *match) {
    static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    struct slice *words = NULL;
    uint32_t count = 0;
    if (!config_text_array(build, value, &words, &count)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t day = 0;
        while (day < 7 && !slice_equals(words[i], slice_of_text(names[day]))) {
            day++;
        }
        if (day == 7) {
            config_error(build, value,
                         "days are \"mon\" \"tue\" \"wed\" \"thu\" \"fri\" \"sat\" "
                         "\"sun\"");
            return;
        }
        match->days = (uint8_t)(match->days | 1u << day);
    }
}

/* "22:30" */
static bool read_minute(struct slice words, uint16_t *minute_out) {
    uint64_t hour = 0;
    uint64_t minute = 0;
    size_t colon = slice_find_byte(words, ':');
    if (!status_is_ok(text_parse_u64(slice_head(words, colon), &hour)) ||
        !status_is_ok(text_parse_u64(slice_tail(words, colon + 1), &minute)) || hour > 24 ||
        minute > 59 || hour * 60 + minute > MINUTES_A_DAY) {
        return false;
    }
    *minute_out = (uint16_t)(hour * 60 + minute);
    return true;
}

static void read_hours(struct config_build *build, const struct toml_value *value,
                       struct policy_match *match) {
    struct slice words = config_text(build, value);
    size_t dash = slice_find_byte(words, '-');
    if (!read_minute(slice_trim(slice_head(words, dash)), &match->minute_from) ||
        !read_minute(slice_trim(slice_tail(words, dash + 1)), &match->minute_to) ||
        match->minute_from == match->minute_to) {
        config_error(build, value, "hours are from-to, such as \"22:00-06:00\"");
    }
}

/* As JSON it is itself: messages keep room for that. */
static bool is_plain(struct slice words, size_t bytes_max) {
    char shown[LABEL_BYTES_MAX * 2];
    struct text text = text_over(shown, sizeof(shown));
    text_add_json_string(&text, words);
    return words.size <= bytes_max && text.size == words.size + 2;
}

uint32_t config_read_labels(struct config_build *build, const struct toml_value *table,
                            struct policy_label labels[POLICY_LABELS_MAX]) {
    if (table == NULL) {
        return 0;
    }
    if (table->kind != TOML_TABLE || table->children_count > POLICY_LABELS_MAX) {
        config_error(build, table, "up to %d labels are wanted here: { team = \"data\" }",
                     POLICY_LABELS_MAX);
        return 0;
    }
    for (uint32_t i = 0; i < table->children_count; i++) {
        const struct toml_value *value = &table->children[i];
        labels[i].key = value->key;
        labels[i].value = config_name(build, value);
        if (!is_plain(value->key, LABEL_KEY_BYTES_MAX) ||
            !is_plain(labels[i].value, LABEL_BYTES_MAX)) {
            config_error(build, value, "a label is plain text of up to %u bytes", LABEL_BYTES_MAX);
        }
    }
    return table->children_count;
}

void config_read_match(struct config_build *build, const struct toml_value *table,
                       struct policy_match *match) {
    const char *const *keys = config_list_keys(CONFIG_LIST_MATCH);
    if (table->kind != TOML_TABLE) {
        config_error(build, table, "a table is wanted here: match = { severity = \">=error\" }");
        return;
    }
    for (uint32_t i = 0; i < table->children_count; i++) {
        const struct toml_value *value = &table->children[i];
        if (slice_equals(value->key, SLICE("severity"))) {
            read_severity(build, value, match);
        } else if (slice_equals(value->key, SLICE("entity"))) {
            match->entity_glob = config_text(build, value);
        } else if (slice_equals(value->key, SLICE("owner"))) {
            match->owner_glob = config_text(build, value);
        } else if (slice_equals(value->key, SLICE("labels"))) {
            match->labels_count = config_read_labels(build, value, match->labels);
        } else if (slice_equals(value->key, SLICE("days"))) {
            read_days(build, value, match);
        } else if (slice_equals(value->key, SLICE("hours"))) {
            read_hours(build, value, match);
        } else if (slice_equals(value->key, SLICE("timezone"))) {
            match->zone = read_zone(build, value);
        } else {
            config_error_unknown(build, value, "match", keys);
        }
    }
}

/* --- Silences --- */

static uint64_t read_time(struct config_build *build, const struct toml_value *table,
                          const char *name) {
    const struct toml_value *value = config_child(table, name);
    uint64_t time_ns = 0;
    bool is_time = value != NULL &&
                   (value->kind == TOML_STRING || value->kind == TOML_DATE_TIME_OFFSET) &&
                   status_is_ok(text_parse_time(value->text, &time_ns));
    if (!is_time) {
        config_error(build, value == NULL ? table : value,
                     "%s = \"2026-11-20T22:00:00Z\" is wanted here, with its offset", name);
    }
    return time_ns;
}

static struct slice read_words(struct config_build *build, const struct toml_value *table,
                               const char *name) {
    const struct toml_value *value = config_child(table, name);
    if (value == NULL) {
        config_error(build, table, "a silence says its %s", name);
        return slice_of(NULL, 0);
    }
    return slice_head(config_text(build, value), LABEL_BYTES_MAX);
}

static void read_silence(struct config_build *build, const struct toml_value *table,
                         struct policy_silence *silence) {
    const char *const *keys = config_list_keys(CONFIG_LIST_SILENCE);
    if (table->kind != TOML_TABLE) {
        config_error(build, table, "a table is wanted here: [[silence]]");
        return;
    }
    for (uint32_t i = 0; i < table->children_count; i++) {
        const struct toml_value *value = &table->children[i];
        bool is_known = false;
        for (uint32_t k = 0; keys[k] != NULL; k++) {
            is_known = is_known || slice_equals(value->key, slice_of_text(keys[k]));
        }
        if (!is_known) {
            config_error_unknown(build, value, "silence", keys);
        }
    }
    const struct toml_value *match = config_child(table, "match");
    if (match != NULL) {
        config_read_match(build, match, &silence->match);
    } else { /* forgotten, it would mute all */
        config_error(build, table,
                     "match = { entity = \"job:load_*\" } says what is silenced, match = {} all");
    }
    silence->start_ns = read_time(build, table, "start");
    silence->end_ns = read_time(build, table, "end");
    silence->reason = read_words(build, table, "reason");
    silence->who = read_words(build, table, "who");
    if (silence->end_ns != 0 && silence->end_ns <= silence->start_ns) {
        config_error(build, table, "this silence ends before it starts");
    }
}

void config_read_silences(struct config_build *build, const struct toml_value *array,
                          struct policy *policy) {
    if (array == NULL) {
        return;
    }
    if (array->kind != TOML_ARRAY || array->children_count > SILENCES_PER_TENANT_MAX) {
        config_error(build, array, "silences are written as [[silence]], at most %u",
                     SILENCES_PER_TENANT_MAX);
        return;
    }
    policy->silences = ARENA_ARRAY(build->arena, struct policy_silence, array->children_count + 1u);
    policy->silences_count = 0;
    if (policy->silences == NULL) {
        config_error(build, array, "the configuration is too large");
        return;
    }
    for (uint32_t i = 0; i < array->children_count; i++) {
        read_silence(build, &array->children[i], &policy->silences[i]);
        policy->silences_count++;
    }
}
