/*
 * config_kafka.c - [[kafka]]: brokers, topics, group, format, tenant, start, and any property of
 * librdkafka under [kafka.properties], each checked by the library itself at its place.
 */
#include <regex.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/config_rules.h"
#include "core/kafka_conf.h"
#include "core/stream.h"
#include "schemas/derive.h"

enum { PROPERTY_BYTES_MAX = 128 };

/* What stands in one [[kafka]] and is the default of its topics. */
struct kafka_defaults {
    enum kafka_format format;
    struct slice tenant;
    bool has_no_headers;
};

static void *room_for(struct config_build *build, const struct toml_value *at, size_t count,
                      size_t size) {
    void *items = arena_allocate_array(build->arena, count + 1, size, 8);
    if (items == NULL) {
        config_error(build, at, "the configuration is too large");
    }
    return items;
}

/* --- Words --- */

static enum kafka_format read_format(struct config_build *build, const struct toml_value *value) {
    static const char *const words[] = {[KAFKA_AUTO] = "auto",
                                        [KAFKA_NATIVE] = "native",
                                        [KAFKA_OTLP_JSON] = "otlp-json",
                                        [KAFKA_OTLP_PROTO] = "otlp-proto"};
    for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (value->kind == TOML_STRING && slice_equals(value->text, slice_of_text(words[i]))) {
            return (enum kafka_format)i;
        }
    }
    config_error(build, value,
                 "one of \"auto\", \"native\", \"otlp-json\", \"otlp-proto\" is wanted here");
    return KAFKA_AUTO;
}

static struct slice read_tenant(struct config_build *build, const struct toml_value *value) {
    struct slice tenant = config_text(build, value);
    struct fault reason;
    if (value->kind == TOML_STRING && !status_is_ok(derive_check_tenant(tenant, &reason))) {
        config_error(build, value, "%s", reason.words);
    }
    return tenant;
}

/* headers = false: librdkafka takes 100 ns and more to say of a message that it has none. */
static bool read_has_no_headers(struct config_build *build, const struct toml_value *value) {
    if (value->kind != TOML_BOOLEAN) {
        config_error(build, value, "true or false is wanted here");
    }
    return value->kind == TOML_BOOLEAN && !value->boolean;
}

static bool read_start(struct config_build *build, const struct toml_value *value) {
    bool is_latest = value->kind == TOML_STRING && slice_equals(value->text, SLICE("latest"));
    if (!is_latest &&
        (value->kind != TOML_STRING || !slice_equals(value->text, SLICE("earliest")))) {
        config_error(build, value, "one of \"earliest\", \"latest\" is wanted here");
    }
    return is_latest;
}

/* Text with ${env:} and ${file:} in it. */
static struct slice read_expanded(struct config_build *build, const struct toml_value *value,
                                  bool *is_secret_out) {
    struct slice expanded = {0};
    struct fault reason;
    if (!status_is_ok(
            config_expand(value->text, build->arena, &expanded, is_secret_out, &reason))) {
        config_error(build, value, "%s", reason.words);
    }
    return expanded;
}

static void read_brokers(struct config_build *build, const struct toml_value *value,
                         struct config_kafka *kafka) {
    bool is_secret = false;
    if (value->kind == TOML_STRING) {
        kafka->brokers = read_expanded(build, value, &is_secret);
    } else if (value->kind == TOML_ARRAY) {
        struct slice *items = NULL;
        uint32_t count = 0;
        char memory[4096];
        struct text text = text_over(memory, sizeof(memory));
        if (!config_text_array(build, value, &items, &count)) {
            return;
        }
        for (uint32_t i = 0; i < count; i++) {
            text_add_text(&text, i == 0 ? "" : ",");
            text_add(&text, items[i]);
        }
        if (text.truncated ||
            !status_is_ok(arena_copy(build->arena, text_slice(&text), &kafka->brokers))) {
            config_error(build, value, "too many brokers");
        }
    } else {
        config_error(build, value, "brokers = [\"host:port\", ...] is wanted here");
    }
}

/* --- Topics --- */

static void check_pattern(struct config_build *build, const struct toml_value *value,
                          const char *pattern) {
    regex_t compiled;
    int code = regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB);
    if (code != 0) {
        char words[128];
        (void)regerror(code, &compiled, words, sizeof(words));
        config_error(build, value, "the pattern \"%s\" cannot be read: %s", pattern, words);
        return;
    }
    regfree(&compiled);
}

static bool is_topic_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

static void read_topic_name(struct config_build *build, const struct toml_value *value,
                            struct config_kafka_topic *topic) {
    char pattern[STREAM_TOPIC_BYTES_MAX + 1];
    topic->name = config_text(build, value);
    bool is_sound = topic->name.size > 0 && topic->name.size < sizeof(pattern);
    bool is_pattern = is_sound && topic->name.data[0] == '^';
    for (size_t i = 0; is_sound && !is_pattern && i < topic->name.size; i++) {
        is_sound = is_topic_byte(topic->name.data[i]);
    }
    if (!is_sound) {
        config_error(build, value,
                     "a topic is 1 to %u of a-z A-Z 0-9 . _ - or a pattern that begins with ^",
                     STREAM_TOPIC_BYTES_MAX);
    } else if (is_pattern) {
        (void)snprintf(pattern, sizeof(pattern), "%.*s", SLICE_PRINT(topic->name));
        check_pattern(build, value, pattern);
    }
}

/* "orders", or { name = "orders", format = "native", tenant = "acme" } */
static void read_topic(struct config_build *build, const struct toml_value *value,
                       struct config_kafka_topic *topic) {
    static const char *const keys[] = {"name", "format", "tenant", "headers", NULL};
    if (value->kind != TOML_TABLE) {
        read_topic_name(build, value, topic);
        return;
    }
    bool has_name = false;
    for (uint32_t i = 0; i < value->children_count; i++) {
        const struct toml_value *child = &value->children[i];
        if (slice_equals(child->key, SLICE("name"))) {
            read_topic_name(build, child, topic);
            has_name = true;
        } else if (slice_equals(child->key, SLICE("format"))) {
            topic->format = read_format(build, child);
        } else if (slice_equals(child->key, SLICE("tenant"))) {
            topic->tenant = read_tenant(build, child);
        } else if (slice_equals(child->key, SLICE("headers"))) {
            topic->has_no_headers = read_has_no_headers(build, child);
        } else {
            config_error_unknown(build, child, "topics", keys);
        }
    }
    if (!has_name) {
        config_error(build, value, "this topic has no name");
    }
}

static void read_topics(struct config_build *build, const struct toml_value *value,
                        const struct kafka_defaults *defaults, struct config_kafka *kafka) {
    const struct toml_value *items = value->kind == TOML_ARRAY ? value->children : value;
    uint32_t count = value->kind == TOML_ARRAY ? value->children_count : 1;
    if (count == 0 || count > KAFKA_TOPICS_MAX) {
        config_error(build, value, "1 to %u topics are wanted here", KAFKA_TOPICS_MAX);
        return;
    }
    kafka->topics = room_for(build, value, count, sizeof(struct config_kafka_topic));
    for (uint32_t i = 0; kafka->topics != NULL && i < count; i++) {
        kafka->topics[i].format = defaults->format;
        kafka->topics[i].tenant = defaults->tenant;
        kafka->topics[i].has_no_headers = defaults->has_no_headers;
        read_topic(build, &items[i], &kafka->topics[i]);
        kafka->topics_count++;
    }
}

/* --- Properties --- */

/* What quell itself decides, and why it must. */
static const char *find_owner(struct slice key) {
    static const struct {
        const char *key;
        const char *words;
    } owned[] = {
        {"bootstrap.servers", "is given as brokers"},
        {"metadata.broker.list", "is given as brokers"},
        {"group.id", "is given as group"},
        {"auto.offset.reset", "is given as start"},
        {"enable.auto.commit", "is not to be set: offsets are committed behind the journal"},
        {"enable.auto.offset.store", "is not to be set: offsets are committed behind the journal"},
        {"enable.partition.eof", "is not to be set"},
        {"partition.assignment.strategy", "is cooperative-sticky, always"},
    };
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
        if (slice_equals(key, slice_of_text(owned[i].key))) {
            return owned[i].words;
        }
    }
    return NULL;
}

static void read_property(struct config_build *build, const struct toml_value *value,
                          struct slice key, struct config_kafka *kafka) {
    struct fault reason;
    const char *owner = find_owner(key);
    if (owner != NULL) {
        config_error(build, value, "%.*s %s", SLICE_PRINT(key), owner);
        return;
    }
    if (kafka->properties_count == KAFKA_PROPERTIES_MAX) {
        config_error(build, value, "at most %u properties", KAFKA_PROPERTIES_MAX);
        return;
    }
    struct config_setting *setting = &kafka->properties[kafka->properties_count++];
    setting->line = value->line;
    setting->column = value->column;
    if (!status_is_ok(arena_copy(build->arena, key, &setting->key))) {
        config_error(build, value, "the configuration is too large");
        return;
    }
    setting->value = read_expanded(build, value, &setting->is_secret);
    if (!status_is_ok(kafka_property_check(setting->key, setting->value, &reason))) {
        config_error(build, value, "%s", reason.words);
    }
}

/* security.protocol = "SSL" is a table in TOML, "security.protocol" = "SSL" is not: both do. */
static void read_properties(struct config_build *build, const struct toml_value *table,
                            struct slice prefix, uint32_t depth, struct config_kafka *kafka) {
    if (table->kind != TOML_TABLE || depth > 8) {
        config_error(build, table, "a table is wanted here: [kafka.properties]");
        return;
    }
    for (uint32_t i = 0; i < table->children_count; i++) {
        const struct toml_value *value = &table->children[i];
        char memory[PROPERTY_BYTES_MAX];
        struct text key = text_over(memory, sizeof(memory));
        text_add(&key, prefix);
        text_add_text(&key, prefix.size > 0 ? "." : "");
        text_add(&key, value->key);
        if (key.truncated || value->kind == TOML_ARRAY) {
            config_error(build, value, "a string, a number or a switch is wanted here");
        } else if (value->kind == TOML_TABLE) {
            read_properties(build, value, text_slice(&key), depth + 1, kafka);
        } else {
            read_property(build, value, text_slice(&key), kafka);
        }
    }
}

/* --- Sections --- */

static void read_group(struct config_build *build, const struct toml_value *value,
                       struct config_kafka *kafka) {
    kafka->group = config_text(build, value);
    if (kafka->group.size == 0 || kafka->group.size > STREAM_GROUP_BYTES_MAX) {
        config_error(build, value, "a group has 1 to %u bytes", STREAM_GROUP_BYTES_MAX);
    }
}

static void read_name(struct config_build *build, const struct toml_value *value,
                      struct config_kafka *kafka) {
    kafka->name = config_text(build, value);
    if (kafka->name.size == 0 || kafka->name.size > LABEL_BYTES_MAX) {
        config_error(build, value, "a name has 1 to %u bytes", LABEL_BYTES_MAX);
    }
}

static void read_dead_letter_topic(struct config_build *build, const struct toml_value *value,
                                   struct config_kafka *kafka) {
    struct config_kafka_topic topic = {0};
    read_topic_name(build, value, &topic);
    kafka->dead_letter_topic = topic.name;
    if (topic.name.size > 0 && topic.name.data[0] == '^') {
        config_error(build, value, "a topic's name is wanted here, not a pattern");
    }
}

static bool topic_covers(const struct config_kafka_topic *topic, struct slice name) {
    char pattern[STREAM_TOPIC_BYTES_MAX + 1];
    char text[STREAM_TOPIC_BYTES_MAX + 1];
    regex_t compiled;
    if (topic->name.size == 0 || topic->name.data[0] != '^') {
        return slice_equals(topic->name, name);
    }
    (void)snprintf(pattern, sizeof(pattern), "%.*s", SLICE_PRINT(topic->name));
    (void)snprintf(text, sizeof(text), "%.*s", SLICE_PRINT(name));
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return false; /* was told */
    }
    bool is_covered = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return is_covered;
}

/* What is refused must not come back as news, to be refused again. */
static void check_no_circle(struct config_build *build, const struct toml_value *table,
                            const struct config_kafka *kafka) {
    for (uint32_t i = 0; kafka->dead_letter_topic.size > 0 && i < kafka->topics_count; i++) {
        if (topic_covers(&kafka->topics[i], kafka->dead_letter_topic)) {
            config_error(build, config_child(table, "dead_letter_topic"),
                         "\"%.*s\" is read, too: what is refused would come round for ever",
                         SLICE_PRINT(kafka->dead_letter_topic));
        }
    }
}

/* One for each four cores: the shard and librdkafka's own threads want some, too. */
static uint32_t default_threads(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 8 ? 1 : cores < 16 ? 2 : 4;
}

static void read_threads(struct config_build *build, const struct toml_value *value,
                         struct config_kafka *kafka) {
    if (value->kind != TOML_INTEGER || value->integer < 1 ||
        value->integer > (int64_t)KAFKA_THREADS_MAX) {
        config_error(build, value, "threads is a number from 1 to %u", KAFKA_THREADS_MAX);
        return;
    }
    kafka->threads = (uint32_t)value->integer;
}

static void read_key(struct config_build *build, const struct toml_value *value,
                     struct kafka_defaults *defaults, struct config_kafka *kafka) {
    const char *const *keys = config_list_keys(CONFIG_LIST_KAFKA);
    if (slice_equals(value->key, SLICE("name"))) {
        read_name(build, value, kafka);
    } else if (slice_equals(value->key, SLICE("brokers"))) {
        read_brokers(build, value, kafka);
    } else if (slice_equals(value->key, SLICE("group"))) {
        read_group(build, value, kafka);
    } else if (slice_equals(value->key, SLICE("format"))) {
        defaults->format = read_format(build, value);
    } else if (slice_equals(value->key, SLICE("tenant"))) {
        defaults->tenant = read_tenant(build, value);
    } else if (slice_equals(value->key, SLICE("headers"))) {
        defaults->has_no_headers = read_has_no_headers(build, value);
    } else if (slice_equals(value->key, SLICE("start"))) {
        kafka->starts_latest = read_start(build, value);
    } else if (slice_equals(value->key, SLICE("threads"))) {
        read_threads(build, value, kafka);
    } else if (slice_equals(value->key, SLICE("dead_letter_topic"))) {
        read_dead_letter_topic(build, value, kafka);
    } else if (slice_equals(value->key, SLICE("properties"))) {
        read_properties(build, value, slice_of(NULL, 0), 0, kafka);
    } else if (!slice_equals(value->key, SLICE("topics"))) {
        config_error_unknown(build, value, "kafka", keys);
    }
}

static void read_kafka(struct config_build *build, const struct toml_value *table, uint32_t number,
                       struct config_kafka *kafka) {
    char name[32];
    struct kafka_defaults defaults = {.format = KAFKA_AUTO};
    (void)snprintf(name, sizeof(name), "kafka-%u", number + 1);
    kafka->properties = room_for(build, table, KAFKA_PROPERTIES_MAX, sizeof(struct config_setting));
    bool has_room = kafka->properties != NULL &&
                    status_is_ok(arena_copy(build->arena, slice_of_text(name), &kafka->name));
    if (table->kind != TOML_TABLE || !has_room) {
        config_error(build, table, "a table is wanted here: [[kafka]]");
        return;
    }
    kafka->group = SLICE("quell");
    kafka->threads = default_threads();
    for (uint32_t i = 0; i < table->children_count; i++) {
        read_key(build, &table->children[i], &defaults, kafka);
    }
    const struct toml_value *topics = config_child(table, "topics");
    if (topics == NULL) {
        config_error(build, table, "this [[kafka]] reads nothing: topics = [\"...\"] is missing");
    } else {
        read_topics(build, topics, &defaults, kafka);
        check_no_circle(build, table, kafka);
    }
    if (config_child(table, "brokers") == NULL) {
        config_error(build, table, "this [[kafka]] has no brokers = [\"host:port\"]");
    }
}

/* Two sections must not be told apart only by luck: the place in a partition is kept once a
 * cluster, group and topic. */
static void check_apart(struct config_build *build, const struct toml_value *at,
                        const struct config_kafka *kafka, const struct config_kafka *others,
                        uint32_t others_count) {
    bool has_same_name = false;
    bool has_same_group = false;
    for (uint32_t i = 0; i < others_count; i++) {
        const struct config_kafka *other = &others[i];
        has_same_name = has_same_name || slice_equals(other->name, kafka->name);
        has_same_group = has_same_group ||
                         (kafka->brokers.size > 0 && slice_equals(other->brokers, kafka->brokers) &&
                          slice_equals(other->group, kafka->group));
    }
    if (has_same_name) {
        config_error(build, at, "two [[kafka]] have the name \"%.*s\"", SLICE_PRINT(kafka->name));
    }
    if (has_same_group) {
        config_error(build, at,
                     "two [[kafka]] read the same brokers as the same group: give one of them a "
                     "group of its own, or put its topics into the other");
    }
}

void config_read_kafkas(struct config_build *build, const struct toml_value *array) {
    struct config *config = build->config;
    if (array == NULL) {
        return;
    }
    if (array->kind != TOML_ARRAY || array->children_count > KAFKA_SOURCES_MAX) {
        config_error(build, array, "Kafka clusters are written as [[kafka]], at most %u",
                     KAFKA_SOURCES_MAX);
        return;
    }
    config->kafkas = room_for(build, array, array->children_count, sizeof(struct config_kafka));
    uint32_t threads = 0;
    for (uint32_t i = 0; config->kafkas != NULL && i < array->children_count; i++) {
        read_kafka(build, &array->children[i], i, &config->kafkas[i]);
        config->kafkas_count++;
        threads += config->kafkas[i].threads;
        check_apart(build, &array->children[i], &config->kafkas[i], config->kafkas, i);
    }
    if (threads > KAFKA_THREADS_MAX) {
        config_error(build, array, "all [[kafka]] together have at most %u threads",
                     KAFKA_THREADS_MAX);
    }
}

/* --- Comparing --- */

static bool topics_are_equal(const struct config_kafka *a, const struct config_kafka *b) {
    bool is_equal = a->topics_count == b->topics_count;
    for (uint32_t i = 0; is_equal && i < a->topics_count; i++) {
        is_equal = slice_equals(a->topics[i].name, b->topics[i].name) &&
                   slice_equals(a->topics[i].tenant, b->topics[i].tenant) &&
                   a->topics[i].has_no_headers == b->topics[i].has_no_headers &&
                   a->topics[i].format == b->topics[i].format;
    }
    return is_equal;
}

static bool properties_are_equal(const struct config_kafka *a, const struct config_kafka *b) {
    bool is_equal = a->properties_count == b->properties_count;
    for (uint32_t i = 0; is_equal && i < a->properties_count; i++) {
        is_equal = slice_equals(a->properties[i].key, b->properties[i].key) &&
                   slice_equals(a->properties[i].value, b->properties[i].value);
    }
    return is_equal;
}

bool config_kafkas_are_equal(const struct config *a, const struct config *b) {
    bool is_equal = a->kafkas_count == b->kafkas_count;
    for (uint32_t i = 0; is_equal && i < a->kafkas_count; i++) {
        const struct config_kafka *one = &a->kafkas[i];
        const struct config_kafka *other = &b->kafkas[i];
        is_equal = slice_equals(one->name, other->name) &&
                   slice_equals(one->brokers, other->brokers) &&
                   slice_equals(one->group, other->group) &&
                   slice_equals(one->dead_letter_topic, other->dead_letter_topic) &&
                   one->threads == other->threads && one->starts_latest == other->starts_latest &&
                   topics_are_equal(one, other) && properties_are_equal(one, other);
    }
    return is_equal;
}
