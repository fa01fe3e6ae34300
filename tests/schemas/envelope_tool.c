/*
 * envelope_tool.c - for the test beside it: `write SEED` puts an encoded envelope on stdout, `read`
 * verifies one from stdin and prints what it says, a line a field.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "schemas/envelope.h"

enum { TEXT_BYTES_MAX = 1024, ITEMS_MAX = 6 };

static uint64_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 17;
}

/* Letters of one, two, three and four bytes. */
static struct slice random_text(uint64_t *state, char memory[TEXT_BYTES_MAX], bool may_be_empty) {
    static const char *const letters[] = {"a", "Z", "\"", "\\", "\n", "é", "€", "𝄞", ":", "7"};
    struct text text = text_over(memory, TEXT_BYTES_MAX);
    uint64_t count = next(state) % 12 + (may_be_empty ? 0 : 1);
    for (uint64_t i = 0; i < count; i++) {
        text_add_text(&text, letters[next(state) % 10]);
    }
    return text_slice(&text);
}

/* One in four is so long that its size takes two bytes. */
static struct slice random_value(uint64_t *state, char memory[TEXT_BYTES_MAX]) {
    struct slice value = random_text(state, memory, true);
    if (value.size > 0 && next(state) % 4 == 0) {
        struct text text = text_over(memory, TEXT_BYTES_MAX);
        text_add_format(&text, "%0*u", (int)(next(state) % (TEXT_BYTES_MAX - 1)), 7u);
        value = text_slice(&text);
    }
    return value;
}

/* As most events are. */
static void forget_rare_fields(struct envelope *envelope) {
    struct slice none = {0};
    envelope->parent_span_id = 0;
    envelope->score = 0;
    envelope->event_id = none;
    envelope->error_class = none;
    envelope->reason = none;
    envelope->raw = none;
    envelope->depends_on_count = 0;
}

static void write_envelope(uint64_t state) {
    static char memory[32][TEXT_BYTES_MAX];
    static uint8_t encoded[ENVELOPE_BYTES_MAX];
    struct attribute attributes[ITEMS_MAX];
    struct slice depends_on[ITEMS_MAX];
    uint32_t used = 0;
    struct envelope envelope = {
        .event_key = {next(&state), next(&state)},
        .fingerprint = {next(&state), next(&state)},
        .entity_key = {next(&state), next(&state)},
        .trace_id = {next(&state), next(&state)},
        .span_id = next(&state),
        .parent_span_id = next(&state),
        .event_time_ns = next(&state),
        .ingest_time_ns = next(&state),
        .score = (double)(next(&state) % 1000) / 8,
        .kind = EVENT_KIND_JOB,
        .status = (enum event_status)(next(&state) % EVENT_STATUS_COUNT),
        .severity = (enum event_severity)(next(&state) % EVENT_SEVERITY_COUNT),
        .flags = (uint32_t)next(&state) & 0x7F,
        .attributes = attributes,
        .attributes_count = (uint32_t)(next(&state) % ITEMS_MAX),
        .depends_on = depends_on,
        .depends_on_count = (uint32_t)(next(&state) % ITEMS_MAX),
    };
    struct slice *const texts[] = {&envelope.tenant, &envelope.entity,      &envelope.event_id,
                                   &envelope.run_id, &envelope.error_class, &envelope.message,
                                   &envelope.source, &envelope.reason};
    for (uint32_t i = 0; i < 8; i++) {
        *texts[i] = random_text(&state, memory[used++], i != 0);
    }
    envelope.raw = random_text(&state, memory[used++], true);
    for (uint32_t i = 0; i < envelope.attributes_count; i++) {
        attributes[i].key = random_value(&state, memory[used++]);
        attributes[i].value = random_value(&state, memory[used++]);
        attributes[i].type = (enum attribute_type)(next(&state) % 6);
    }
    for (uint32_t i = 0; i < envelope.depends_on_count; i++) {
        depends_on[i] = random_text(&state, memory[used++], true);
    }
    if (next(&state) % 3 == 0) {
        forget_rare_fields(&envelope);
    }
    struct writer writer = writer_over(encoded, sizeof(encoded));
    ASSERT(status_is_ok(envelope_encode(&envelope, &writer)));
    ASSERT(status_is_ok(envelope_verify(writer_slice(&writer))));
    ASSERT(fwrite(encoded, 1, writer.size, stdout) == writer.size);
}

static void add_text(struct text *json, const char *name, struct slice value) {
    text_add_format(json, "\"%s\":", name);
    text_add_json_string(json, value);
    text_add_char(json, ',');
}

static void add_lists(struct text *json, struct slice bytes, const struct envelope *envelope) {
    struct attribute_cursor cursor = envelope_attributes(bytes);
    struct attribute attribute;
    ASSERT(cursor.left == envelope->attributes_count);
    text_add_text(json, "\"attributes\":[");
    while (attribute_cursor_next(&cursor, &attribute)) {
        text_add_text(json, cursor.left + 1 == envelope->attributes_count ? "[" : ",[");
        text_add_json_string(json, attribute.key);
        text_add_char(json, ',');
        text_add_json_string(json, attribute.value);
        text_add_format(json, ",%u]", (unsigned)attribute.type);
    }
    text_add_text(json, "],\"depends_on\":[");
    for (uint32_t i = 0; i < envelope->depends_on_count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        text_add_json_string(json, envelope_depends_on_at(bytes, i));
    }
    text_add_text(json, "]}");
}

static int read_envelope(void) {
    static uint8_t bytes[ENVELOPE_BYTES_MAX];
    static char output[4 * ENVELOPE_BYTES_MAX];
    struct slice input = slice_of(bytes, fread(bytes, 1, sizeof(bytes), stdin));
    struct envelope envelope;
    if (!status_is_ok(envelope_verify(input))) {
        return 1;
    }
    envelope_read(input, &envelope);
    struct text json = text_over(output, sizeof(output));
    text_add_char(&json, '{');
    text_add_format(&json, "\"event_key\":[%llu,%llu],", (unsigned long long)envelope.event_key.lo,
                    (unsigned long long)envelope.event_key.hi);
    text_add_format(&json, "\"span_id\":%llu,", (unsigned long long)envelope.span_id);
    text_add_format(&json, "\"event_time_ns\":%llu,", (unsigned long long)envelope.event_time_ns);
    text_add_format(&json,
                    "\"score\":%.17g,\"flags\":%u,\"kind\":%u,\"status\":%u,\"severity\":%u,",
                    envelope.score, envelope.flags, (unsigned)envelope.kind,
                    (unsigned)envelope.status, (unsigned)envelope.severity);
    add_text(&json, "tenant", envelope.tenant);
    add_text(&json, "entity", envelope.entity);
    add_text(&json, "event_id", envelope.event_id);
    add_text(&json, "run_id", envelope.run_id);
    add_text(&json, "error_class", envelope.error_class);
    add_text(&json, "message", envelope.message);
    add_text(&json, "source", envelope.source);
    add_text(&json, "reason", envelope.reason);
    add_text(&json, "raw", envelope.raw);
    add_lists(&json, input, &envelope);
    (void)puts(output);
    return json.truncated ? 2 : 0;
}

int main(int count, char **words) {
    if (count == 3 && strcmp(words[1], "write") == 0) {
        write_envelope(strtoull(words[2], NULL, 10));
        return 0;
    }
    return read_envelope();
}
