/*
 * render.c - an incident as sinks and the API give it: product.md's JSON, from rows alone.
 *
 * Pure over its arguments. Thread: any. A message is bounded: no more affected are written when
 * options or the room in `json` end; `labels.affected_total` then says how many there are.
 */
#include "incident/incident_state.h"
#include "incident/rows.h"

/* Closing brackets, counts, times, traces: what must still fit behind the affected. */
#define TAIL_BYTES_MAX 8192u
/* One affected: an entity may be all escapes. */
#define AFFECTED_BYTES_MAX (6 * (ENTITY_BYTES_MAX + 16) + 160)

struct slice incident_status_word(enum incident_status status) {
    switch (status) {
    case INCIDENT_OPEN:
        return SLICE("open");
    case INCIDENT_ACKNOWLEDGED:
        return SLICE("acknowledged");
    case INCIDENT_RESOLVED:
        return SLICE("resolved");
    }
    return SLICE("");
}

static void add_key(struct text *json, const char *key) {
    text_add_char(json, '"');
    text_add_text(json, key);
    text_add_text(json, "\":");
}

static void add_number(struct text *json, const char *key, uint64_t value) {
    add_key(json, key);
    text_add_u64(json, value);
}

/* Four digits are more than the formula knows. */
static void add_share(struct text *json, double share) {
    text_add_format(json, "%.4g", share < 0 ? 0.0 : share > 1 ? 1.0 : share);
}

/* Who is only suspected has said nothing: the row has the words of one that it would explain. */
static struct slice root_message(const struct incident_row *row, struct text *memory) {
    if (!row->is_suspected) {
        return row->root_message;
    }
    text_add_text(memory, "reports nothing itself");
    text_add_text(memory, row->root_message.size > 0 ? "; one that it would explain says: " : "");
    text_add(memory, row->root_message);
    return text_slice(memory);
}

static void add_root(struct text *json, const struct incident_row *row) {
    char memory[MESSAGE_KEPT_BYTES_MAX + 128];
    struct text message = text_over(memory, sizeof(memory));
    text_add_text(json, ",\"root_cause\":{");
    text_add_json_member(json, "entity", row->root_entity);
    text_add_char(json, ',');
    text_add_json_member(json, "error_class",
                         row->is_suspected ? SLICE("") : row->root_error_class);
    text_add_char(json, ',');
    text_add_json_member(json, "message", root_message(row, &message));
    text_add_char(json, ',');
    text_add_json_time(json, "first_seen", row->root_since_ns);
    text_add_text(json, ",\"confidence\":");
    add_share(json, row->confidence);
    text_add_text(json, ",\"evidence\":[");
    for (uint32_t i = 0; i < row->evidence_count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        text_add_json_string(json, row->evidence[i]);
    }
    text_add_text(json, "],\"alternatives\":[");
    for (uint32_t i = 0; i < row->alternatives_count; i++) {
        text_add_text(json, i == 0 ? "{" : ",{");
        text_add_json_member(json, "entity", row->alternatives[i].entity);
        text_add_text(json, ",\"confidence\":");
        add_share(json, row->alternatives[i].confidence);
        text_add_char(json, '}');
    }
    text_add_text(json, "]}");
}

static void add_affected(struct text *json, const struct member_row *row, bool is_first) {
    text_add_text(json, is_first ? "{" : ",{");
    text_add_json_member(json, "entity", row->entity);
    text_add_char(json, ',');
    text_add_json_member(
        json, "status", event_status_word(row->is_recovered ? row->recovered_status : row->status));
    text_add_char(json, ',');
    text_add_json_time(json, "since", row->since_ns);
    text_add_char(json, ',');
    add_number(json, "hops", row->hops);
    text_add_char(json, '}');
}

/* How many there are beyond those written. */
static struct status add_all_affected(struct text *json, const struct incident_row *row,
                                      const struct incident_members_source *members,
                                      uint32_t affected_max, uint32_t *total_out,
                                      uint32_t *written_out) {
    struct slice key;
    struct slice value;
    uint32_t total = 0;
    uint32_t written = 0;
    text_add_text(json, ",\"affected\":[");
    while (members->next(members->context, &key, &value)) {
        struct member_row member;
        TRY(member_row_decode(key, value, &member));
        if (member.is_foreign || member.is_bygone ||
            (member.node == row->root_node && !row->is_suspected)) {
            continue;
        }
        total++;
        bool has_room = affected_max == UINT32_MAX ||
                        json->size + AFFECTED_BYTES_MAX + TAIL_BYTES_MAX < json->capacity;
        if (written < affected_max && written + 1 == total && has_room) {
            add_affected(json, &member, written == 0);
            written++;
        }
    }
    text_add_char(json, ']');
    *total_out = total;
    *written_out = written;
    return status_ok();
}

static void add_blast_radius(struct text *json, const struct incident_row *row) {
    text_add_text(json, ",\"blast_radius\":{");
    add_number(json, "total", (uint64_t)row->failing_count + row->at_risk_count);
    text_add_char(json, ',');
    add_number(json, "failing", row->failing_count);
    text_add_char(json, ',');
    add_number(json, "at_risk", row->at_risk_count);
    text_add_text(json, ",\"by_kind\":{");
    for (uint32_t i = 0; i < row->kinds_count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        text_add_json_string(json, row->kinds[i].word);
        text_add_char(json, ':');
        text_add_u64(json, row->kinds[i].count);
    }
    text_add_text(json, "}},\"signals\":{");
    add_number(json, "total", row->signals_total);
    text_add_char(json, ',');
    add_number(json, "unique", row->signals_unique);
    text_add_char(json, ',');
    add_number(json, "suppressed", row->signals_total - row->signals_unique);
    text_add_char(json, '}');
}

static void add_tail(struct text *json, const struct incident_row *row) {
    text_add_text(json, ",\"trace_ids\":[");
    for (uint32_t i = 0; i < row->traces_count; i++) {
        uint8_t bytes[16];
        for (uint32_t k = 0; k < 8; k++) { /* as sent: lo holds the first eight, big-endian */
            bytes[k] = (uint8_t)(row->traces[i].lo >> (56 - 8 * k));
            bytes[8 + k] = (uint8_t)(row->traces[i].hi >> (56 - 8 * k));
        }
        text_add_text(json, i == 0 ? "\"" : ",\"");
        text_add_hex(json, slice_of(bytes, sizeof(bytes)));
        text_add_char(json, '"');
    }
    text_add_text(json, "]}");
}

static void add_head(struct text *json, const struct incident_row *row, bool is_merged) {
    text_add_char(json, '{');
    add_number(json, "version", 1); /* of this format, not of the incident */
    text_add_text(json, ",\"id\":\"inc_");
    text_add_base32(json, row->id);
    text_add_text(json, "\",");
    text_add_json_member(json, "tenant", row->tenant);
    text_add_char(json, ',');
    text_add_json_member(json, "status",
                         incident_status_word(is_merged ? INCIDENT_RESOLVED : row->status));
    text_add_char(json, ',');
    text_add_json_member(json, "severity", event_severity_word(row->severity));
    text_add_char(json, ',');
    text_add_json_member(json, "title", row->title);
}

static bool label_is_ours(struct slice key) {
    return slice_equals(key, SLICE("merged_into")) || slice_equals(key, SLICE("affected_total")) ||
           slice_equals(key, SLICE("acknowledged_by")) || slice_equals(key, SLICE("reopened_at")) ||
           slice_equals(key, SLICE("resolved_by")) || slice_equals(key, SLICE("resolved_note"));
}

static void add_label(struct text *json, struct slice key, struct slice value, bool *is_first) {
    text_add_text(json, *is_first ? "" : ",");
    text_add_json_string(json, key);
    text_add_char(json, ':');
    text_add_json_string(json, value);
    *is_first = false;
}

/* Of "by anna: note" what stands behind the name. */
static struct slice note_of(struct slice words, struct slice by) {
    size_t name_size = slice_is_empty(by) ? strlen(PERSON_UNNAMED) : by.size;
    return slice_tail(words, strlen("by ") + name_size + strlen(": "));
}

/* Who has it, or has ended it, and whether it was over before. */
static struct status add_state(struct text *json, const struct incident_row *row, bool *is_first) {
    struct incident state;
    TRY(incident_decode_state(row->state, &state));
    struct slice words = slice_of(state.acknowledged, state.acknowledged_size);
    struct slice by = slice_head(slice_tail(words, strlen("by ")), state.acknowledged_by_size);
    if (row->status == INCIDENT_ACKNOWLEDGED && !slice_is_empty(by)) {
        add_label(json, SLICE("acknowledged_by"), by, is_first);
    }
    bool is_ended = row->status == INCIDENT_RESOLVED && state.is_ended_by_person;
    if (is_ended && !slice_is_empty(by)) {
        add_label(json, SLICE("resolved_by"), by, is_first);
    }
    if (is_ended && !slice_is_empty(note_of(words, by))) {
        add_label(json, SLICE("resolved_note"), note_of(words, by), is_first);
    }
    if (state.reopened_ns != 0) {
        char memory[64];
        struct text at = text_over(memory, sizeof(memory));
        text_add_time(&at, state.reopened_ns, 3);
        add_label(json, SLICE("reopened_at"), text_slice(&at), is_first);
    }
    return status_ok();
}

/* The tenant's own, and what we say in the same place: ours come last and win. */
static struct status add_labels(struct text *json, const struct incident_row *row,
                                const struct render_options *options, uint32_t total,
                                uint32_t written) {
    bool is_first = true;
    text_add_text(json, ",\"labels\":{");
    for (uint32_t i = 0; i < row->labels_count; i++) {
        if (!label_is_ours(row->labels[i].key)) {
            add_label(json, row->labels[i].key, row->labels[i].value, &is_first);
        }
    }
    if (slice_is_empty(options->merged_into)) {
        TRY(add_state(json, row, &is_first));
    }
    if (!slice_is_empty(options->merged_into)) {
        add_label(json, SLICE("merged_into"), options->merged_into, &is_first);
    }
    if (written < total) {
        char memory[16];
        struct text count = text_over(memory, sizeof(memory));
        text_add_u64(&count, total);
        add_label(json, SLICE("affected_total"), text_slice(&count), &is_first);
    }
    text_add_char(json, '}');
    return status_ok();
}

void incident_render(const struct incident_row *row, const struct incident_members_source *members,
                     const struct render_options *options, struct text *json,
                     struct status *status_out) {
    uint32_t total = 0;
    uint32_t written = 0;
    add_head(json, row, !slice_is_empty(options->merged_into));
    add_root(json, row);
    struct status status =
        add_all_affected(json, row, members, options->affected_max, &total, &written);
    total += options->affected_more;
    add_blast_radius(json, row);
    text_add_char(json, ',');
    text_add_json_time(json, "opened_at", row->opened_ns);
    text_add_char(json, ',');
    text_add_json_time(json, "updated_at", row->updated_ns);
    text_add_char(json, ',');
    if (row->resolved_ns == 0) {
        text_add_text(json, "\"resolved_at\":null");
    } else {
        text_add_json_time(json, "resolved_at", row->resolved_ns);
    }
    text_add_char(json, ',');
    text_add_json_member(json, "owner", row->owner);
    struct status labels_status = add_labels(json, row, options, total, written);
    add_tail(json, row);
    *status_out = status_is_ok(status) ? labels_status : status;
}

struct status incident_row_render(struct slice incident_row,
                                  const struct incident_members_source *members,
                                  struct text *json) {
    struct incident_row row;
    TRY(incident_row_decode(incident_row, &row));
    struct render_options options = {.affected_max = UINT32_MAX};
    struct status status;
    incident_render(&row, members, &options, json, &status);
    return status;
}

static void add_entry(struct text *json, uint64_t at_ns, struct slice what, struct slice detail) {
    text_add_char(json, '{');
    text_add_json_time(json, "at", at_ns);
    text_add_char(json, ',');
    text_add_json_member(json, "what", what);
    text_add_char(json, ',');
    text_add_json_member(json, "detail", detail);
    text_add_char(json, '}');
}

uint64_t incident_timeline_at_ns(struct slice value) {
    struct reader reader = reader_over(value);
    uint64_t at_ns = reader_u64(&reader);
    return reader.failed ? 0 : at_ns;
}

/* As merge.c writes it: "inc_…: " and the title. Into which another was merged is the other's. */
bool incident_timeline_is_merge(struct slice value, struct hash128 *id_out) {
    struct reader reader = reader_over(value);
    (void)reader_u64(&reader);
    struct slice what = reader_text(&reader);
    struct slice detail = reader_text(&reader);
    if (reader.failed || !slice_equals(what, SLICE("merged")) ||
        !slice_starts_with(detail, SLICE("inc_"))) {
        return false;
    }
    struct slice id = slice_tail(detail, 4);
    return status_is_ok(text_parse_base32(slice_head(id, slice_find_byte(id, ':')), id_out));
}

struct status incident_timeline_render(struct slice value, struct text *json) {
    struct reader reader = reader_over(value);
    uint64_t at_ns = reader_u64(&reader);
    struct slice what = reader_text(&reader);
    struct slice detail = reader_text(&reader);
    if (reader.failed || reader_left(&reader) != 0) {
        return status_of(STATUS_CORRUPT);
    }
    add_entry(json, at_ns, what, detail);
    return status_ok();
}

struct status incident_repeats_render(struct slice incident_row, struct text *json) {
    struct incident_row row;
    struct incident state;
    TRY(incident_row_decode(incident_row, &row));
    TRY(incident_decode_state(row.state, &state));
    uint64_t suppressed = row.signals_total - row.signals_unique;
    if (suppressed <= state.suppressed_shown) {
        return status_ok();
    }
    char words[32];
    struct text detail = text_over(words, sizeof(words));
    repeats_add(&detail, suppressed - state.suppressed_shown);
    add_entry(json, row.updated_ns, SLICE("deduplicated"), text_slice(&detail));
    return status_ok();
}
