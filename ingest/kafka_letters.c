/*
 * kafka_letters.c - what was refused: what the quarantine says of it, and dead letters: it goes, as
 * it came and with the reason in headers, also to a topic.
 *
 * A batch waits for the letters of its messages before it is journaled: after a crash between the
 * two a letter may come twice, none is missing. One that the topic does not take is counted and
 * told: the message stands in the quarantine in any case.
 */
#include <stdio.h>

#include "core/clock.h"
#include "core/digest.h"
#include "ingest/kafka_internal.h"

#define LETTER_NS_MAX (30 * NS_PER_S)
#define REOPEN_NS (5 * NS_PER_S)

enum { OWN_HEADERS = 6 };

static void on_outcome(void *context, void *opaque, enum kafka_outcome outcome, const char *words) {
    struct kafka_source *source = context;
    struct kafka_batch *batch = opaque;
    batch->letters_out--;
    source->letters_out--;
    if (outcome == KAFKA_OUTCOME_DELIVERED) {
        stats_add(source->options.stats, STAT_KAFKA_DEAD_LETTERS, 1);
        return;
    }
    char told[512];
    stats_add(source->options.stats, STAT_KAFKA_DEAD_LETTERS_LOST, 1);
    (void)snprintf(told, sizeof(told), "dead-letter topic %.*s: %s",
                   SLICE_PRINT(source->settings->dead_letter_topic), words);
    kafka_tell_trouble(source, told, false);
}

/* One that may write nowhere is of no use any more (librdkafka calls it fatal); when it may, the
 * next one is not. */
static void replace_broken(struct kafka_source *source) {
    struct kafka_producer *broken = source->letters;
    struct fault fault;
    uint64_t now_ns = clock_monotonic_ns();
    if (!kafka_producer_is_broken(broken) || now_ns < source->reopen_at_ns) {
        return;
    }
    source->reopen_at_ns = now_ns + REOPEN_NS;
    kafka_producer_purge(broken, true);
    kafka_producer_poll(broken);
    if (source->letters_out > 0) {
        return; /* their batches wait for outcomes: next time */
    }
    if (status_is_ok(kafka_letters_open(source, &fault))) {
        kafka_producer_close(broken);
    }
}

struct status kafka_letters_open(struct kafka_source *source, struct fault *fault) {
    if (source->settings->dead_letter_topic.size == 0) {
        return status_ok();
    }
    struct kafka_producer_options options = {
        .brokers = source->settings->brokers,
        .properties = source->settings->properties,
        .properties_count = source->settings->properties_count,
        .timeout_ns = LETTER_NS_MAX,
        .on_outcome = on_outcome,
        .context = source,
        .logger = source->options.logger,
        .wake_fd = source->wake_fd,
    };
    return kafka_producer_open(&options, &source->letters, fault);
}

static struct slice number_words(char *memory, size_t size, uint64_t value) {
    struct text text = text_over(memory, size);
    text_add_u64(&text, value);
    return text_slice(&text);
}

static uint32_t add_own_headers(const struct kafka_message *message, const char *reason,
                                char digits[4][24], uint32_t refused,
                                struct kafka_header *headers) {
    uint32_t count = 0;
    headers[count++] = (struct kafka_header){SLICE("quell.error.reason"), slice_of_text(reason)};
    headers[count++] = (struct kafka_header){SLICE("quell.error.records"),
                                             number_words(digits[0], sizeof(digits[0]), refused)};
    headers[count++] = (struct kafka_header){SLICE("quell.error.topic"), message->topic};
    headers[count++] =
        (struct kafka_header){SLICE("quell.error.partition"),
                              number_words(digits[1], sizeof(digits[1]), message->partition)};
    headers[count++] = (struct kafka_header){
        SLICE("quell.error.offset"), number_words(digits[2], sizeof(digits[2]), message->offset)};
    return count;
}

struct status kafka_letters_send(struct kafka_source *source, const struct kafka_message *message,
                                 uint32_t refused, const char *reason) {
    struct kafka_header headers[OWN_HEADERS + KAFKA_HEADERS_KEPT_MAX];
    char digits[4][24];
    struct fault fault = {{0}};
    if (source->letters == NULL) {
        return status_ok();
    }
    replace_broken(source);
    uint32_t count = add_own_headers(message, reason, digits, refused, headers);
    for (uint32_t i = 0;
         i < KAFKA_HEADERS_KEPT_MAX &&
         kafka_message_header_at(message, i, &headers[count].name, &headers[count].value);
         i++) {
        count++;
    }
    struct kafka_record record = {
        .topic = source->settings->dead_letter_topic,
        .key = message->key,
        .value = message->value,
        .headers = headers,
        .headers_count = count,
        .opaque = source->open,
    };
    source->open->letters_out++;
    source->letters_out++;
    struct status status = kafka_producer_send(source->letters, &record, &fault);
    if (status.code == STATUS_FULL) {
        source->open->letters_out--;
        source->letters_out--;
        return status;
    }
    if (!status_is_ok(status)) {
        on_outcome(source, source->open, KAFKA_OUTCOME_REFUSED, fault.words);
    }
    return status_ok();
}

/* --- In the quarantine --- */

/* What was asked by a person who looks at the quarantine: where is it from, what stood beside it?
 */
static void add_attribute(struct kafka_source *source, struct attribute *attributes,
                          uint32_t *count, const char *prefix, struct slice name,
                          struct slice value) {
    struct slice kept = slice_head(value, KAFKA_HEADER_BYTES_MAX);
    bool is_text = text_is_utf8(kept);
    size_t size = strlen(prefix) + slice_head(name, 256).size + 1;
    size_t room = 2 * kept.size + 8;
    char *memory = arena_allocate(&source->decode_arena, size + room, 1);
    if (memory == NULL) {
        return;
    }
    struct text key = text_over(memory, size);
    text_add_text(&key, prefix);
    text_add(&key, slice_head(name, 256));
    struct text text = text_over(memory + size, room);
    if (is_text) {
        text_add(&text, kept);
    } else {
        text_add_base64(&text, kept);
    }
    attributes[(*count)++] =
        (struct attribute){.key = text_slice(&key),
                           .value = text_slice(&text),
                           .type = is_text ? ATTRIBUTE_STRING : ATTRIBUTE_BYTES};
}

static void add_number(struct kafka_source *source, struct attribute *attributes, uint32_t *count,
                       const char *name, uint64_t value) {
    char digits[24];
    struct text text = text_over(digits, sizeof(digits));
    text_add_u64(&text, value);
    add_attribute(source, attributes, count, name, slice_of(NULL, 0), text_slice(&text));
}

/* Headers by which a producer proves who it is: whoever reads the quarantine is somebody else. */
static bool is_secret(struct slice name) {
    static const char *const parts[] = {"authorization", "cookie",  "password", "secret",
                                        "token",         "api-key", "apikey",   "api_key"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t size = strlen(parts[i]);
        for (size_t at = 0; at + size <= name.size; at++) {
            struct slice part = slice_of(name.data + at, size);
            if (slice_equals_ignoring_case(part, slice_of_text(parts[i]))) {
                return true;
            }
        }
    }
    return false;
}

const struct attribute *kafka_refused_attributes(void *context, uint32_t *count_out) {
    struct kafka_source *source = context;
    const struct kafka_message *message = source->now.message;
    uint32_t count = 0;
    struct attribute *attributes =
        ARENA_ARRAY(&source->decode_arena, struct attribute, KAFKA_HEADERS_KEPT_MAX + 4);
    *count_out = 0;
    if (attributes == NULL) {
        return NULL;
    }
    add_attribute(source, attributes, &count, "kafka.topic", slice_of(NULL, 0), message->topic);
    add_number(source, attributes, &count, "kafka.partition", message->partition);
    add_number(source, attributes, &count, "kafka.offset", message->offset);
    if (message->key.data != NULL) {
        add_attribute(source, attributes, &count, "kafka.key", slice_of(NULL, 0), message->key);
    }
    struct slice name;
    struct slice value;
    for (uint32_t i = 0;
         i < KAFKA_HEADERS_KEPT_MAX && kafka_message_header_at(message, i, &name, &value); i++) {
        add_attribute(source, attributes, &count, "kafka.header.", name,
                      is_secret(name) ? SLICE("(left out)") : value);
    }
    *count_out = count;
    return attributes;
}
