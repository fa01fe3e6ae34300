/* load_write_json.c - bodies of OTLP/JSON logs and of native events (see load_bodies.h). */
#include "bench/load_bodies_internal.h"

static const char empty_stamp[LOAD_STAMP_DIGITS + 1] = "0000000000000000000";

static void add_attributes(struct text *text, const struct load_record *record) {
    for (uint32_t i = 0; i < record->attributes; i++) {
        const struct load_attribute *one = &load_attributes[i];
        unsigned number = load_attribute_number(one, record);
        text_add_format(text, "%s{\"key\":\"%s\",\"value\":{", i == 0 ? "" : ",", one->key);
        if (one->words == NULL) {
            text_add_format(text, "\"intValue\":\"%u\"}}", number);
        } else {
            text_add_format(text, "\"stringValue\":\"%s%u\"}}", one->words, number);
        }
    }
}

static void add_log_record(struct load_body *body, const struct load_record *record) {
    struct text *text = &body->text;
    text_add_text(text, "{\"timeUnixNano\":\"");
    load_body_note_stamp(body);
    text_add_format(text, "%s\",\"severityNumber\":%d,\"severityText\":\"%s\",\"body\":{",
                    empty_stamp, record->is_error ? 17 : 9, record->is_error ? "ERROR" : "INFO");
    text_add_text(text, "\"stringValue\":\"");
    load_add_message(text, record);
    text_add_text(text, "\"},\"attributes\":[");
    add_attributes(text, record);
    text_add_format(text, "],\"traceId\":\"%016llx%016llx\",\"spanId\":\"%016llx\"}",
                    (unsigned long long)record->noise, ~(unsigned long long)record->noise,
                    (unsigned long long)record->noise * 31 | 1);
}

void load_write_json(struct load_body *body, const struct load_record *records, uint32_t count) {
    struct text *text = &body->text;
    text_add_text(text,
                  "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                  "\"value\":{\"stringValue\":\"");
    load_add_service(text, records[0].service);
    text_add_text(text, "\"}},{\"key\":\"host.name\",\"value\":{\"stringValue\":\"node-7\"}}]},"
                        "\"scopeLogs\":[{\"scope\":{\"name\":\"quell.load\"},\"logRecords\":[");
    for (uint32_t i = 0; i < count; i++) {
        text_add_text(text, i == 0 ? "" : ",");
        add_log_record(body, &records[i]);
    }
    text_add_text(text, "]}]}]}");
}

void load_write_native(struct load_body *body, const struct load_record *records, uint32_t count) {
    struct text *text = &body->text;
    for (uint32_t i = 0; i < count; i++) {
        const struct load_record *record = &records[i];
        text_add_text(text, "{\"job_id\":\"");
        load_add_service(text, record->service);
        text_add_format(text, "\",\"status\":\"%s\",\"occurred_at\":",
                        record->is_error ? "failed" : "succeeded");
        load_body_note_stamp(body);
        text_add_format(text, "%s,\"run_id\":\"r-%llx\",\"message\":\"", empty_stamp,
                        (unsigned long long)record->noise);
        load_add_message(text, record);
        text_add_format(text, "\",\"details\":{\"rows\":%u}",
                        (unsigned)(record->noise >> 32) % 9999);
        if (record->is_error && load_service_parent(record->service) != record->service) {
            text_add_text(text, ",\"depends_on\":[\"job:");
            load_add_service(text, load_service_parent(record->service));
            text_add_text(text, "\"]");
        }
        text_add_text(text, "}\n");
    }
}
