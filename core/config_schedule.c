/*
 * config_schedule.c - whether a [[job]]'s schedule is one: cron's five fields, as crontab(5) has
 * them (lists, ranges, steps, names of months and days, 7 for Sunday), or @daily and the like.
 */
#include "core/config_rules.h"

enum { NAME_BYTES = 3 };

struct cron_field {
    const char *what;
    uint64_t min;
    uint64_t max;
    const char *names; /* three letters each, the first is `min`; NULL: none */
};

static const struct cron_field cron_fields[] = {
    {"the minute", 0, 59, NULL},
    {"the hour", 0, 23, NULL},
    {"the day of the month", 1, 31, NULL},
    {"the month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {"the day of the week", 0, 7, "sunmontuewedthufrisat"},
};
enum { CRON_FIELDS = sizeof(cron_fields) / sizeof(cron_fields[0]) };

static const char *const nicknames[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                        "@daily",  "@midnight", "@hourly"};

static bool parse_value(const struct cron_field *field, struct slice word, uint64_t *value_out) {
    for (uint64_t i = 0; field->names != NULL && field->names[i * NAME_BYTES] != 0; i++) {
        if (slice_equals_ignoring_case(word, slice_of(field->names + i * NAME_BYTES, NAME_BYTES))) {
            *value_out = field->min + i;
            return true;
        }
    }
    return status_is_ok(text_parse_u64(word, value_out)) && *value_out >= field->min &&
           *value_out <= field->max;
}

/* "*", "7", "mon-fri", each with "/2" behind it. */
static bool is_item(const struct cron_field *field, struct slice item) {
    size_t slash = slice_find_byte(item, '/');
    struct slice range = slice_head(item, slash);
    uint64_t step = 1;
    if (slash < item.size && (!status_is_ok(text_parse_u64(slice_tail(item, slash + 1), &step)) ||
                              step == 0 || step > field->max)) {
        return false;
    }
    if (slice_equals(range, SLICE("*"))) {
        return true;
    }
    size_t dash = slice_find_byte(range, '-');
    uint64_t from = 0;
    if (!parse_value(field, slice_head(range, dash), &from)) {
        return false;
    }
    uint64_t to = from;
    bool is_range = dash < range.size;
    if (is_range && !parse_value(field, slice_tail(range, dash + 1), &to)) {
        return false;
    }
    bool ends_on_sunday = field->names != NULL && field->max == 7 && to == 0; /* "fri-sun" */
    return from <= to || ends_on_sunday;
}

static bool is_list(const struct cron_field *field, struct slice list) {
    while (true) {
        size_t comma = slice_find_byte(list, ',');
        if (!is_item(field, slice_head(list, comma))) {
            return false;
        }
        if (comma == list.size) {
            return true;
        }
        list = slice_tail(list, comma + 1);
    }
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t';
}

/* The next word off the front; empty at the end. */
static struct slice next_word(struct slice *rest) {
    size_t begin = 0;
    while (begin < rest->size && is_blank(rest->data[begin])) {
        begin++;
    }
    size_t end = begin;
    while (end < rest->size && !is_blank(rest->data[end])) {
        end++;
    }
    struct slice word = slice_of(rest->data + begin, end - begin);
    *rest = slice_tail(*rest, end);
    return word;
}

static bool is_nickname(struct slice word) {
    for (size_t i = 0; i < sizeof(nicknames) / sizeof(nicknames[0]); i++) {
        if (slice_equals(word, slice_of_text(nicknames[i]))) {
            return true;
        }
    }
    return false;
}

void config_check_schedule(struct config_build *build, const struct toml_value *value) {
    struct slice rest = slice_trim(value->text);
    if (is_nickname(rest)) {
        return;
    }
    for (size_t i = 0; i < CRON_FIELDS; i++) {
        struct slice word = next_word(&rest);
        if (word.size == 0) {
            config_error_value(build, value,
                               "cron's five fields are wanted here, such as \"15 3 * * mon-fri\", "
                               "or one of @hourly, @daily, @weekly, @monthly, @yearly");
            return;
        }
        if (!is_list(&cron_fields[i], word)) {
            config_error_value(build, value, "\"%.*s\" is not %s (%llu-%llu)", SLICE_PRINT(word),
                               cron_fields[i].what, (unsigned long long)cron_fields[i].min,
                               (unsigned long long)cron_fields[i].max);
            return;
        }
    }
    if (next_word(&rest).size > 0) {
        config_error_value(build, value,
                           "cron has five fields: minute, hour, day of the month, "
                           "month, day of the week");
    }
}
