/*
 * state_part.c - the state part of an INCIDENT and of a MEMBER row: what the readable part does not
 * hold; together all but scratch and links. See rows.h. A new version only adds at the end.
 */
#include "incident/lifecycle.h"
#include "incident/rows.h"

/* --- An incident --- */

static void write_state_rank(const struct rank *rank, struct writer *writer) {
    writer_f64(writer, rank->confidence);
    writer_u32(writer, rank->affected_count);
    writer_u32(writer, rank->reached_count);
    writer_u32(writer, rank->earlier_count);
    writer_u32(writer, rank->suspect_count);
    writer_u32(writer, rank->suspect_total);
    writer_u8(writer, (uint8_t)((rank->is_explicit ? 1 : 0) | (rank->blames ? 2 : 0) |
                                (rank->is_storm_beside ? 4 : 0) | (rank->is_storm_joined ? 8 : 0) |
                                (rank->has_complaints ? 16 : 0)));
    writer_u8(writer, (uint8_t)rank->alternatives_count);
    for (uint32_t i = 0; i < rank->alternatives_count; i++) {
        writer_u32(writer, rank->alternatives[i].node);
        writer_f64(writer, rank->alternatives[i].confidence);
    }
}

static void read_state_rank(struct reader *reader, struct rank *rank) {
    rank->confidence = reader_f64(reader);
    rank->affected_count = reader_u32(reader);
    rank->reached_count = reader_u32(reader);
    rank->earlier_count = reader_u32(reader);
    rank->suspect_count = reader_u32(reader);
    rank->suspect_total = reader_u32(reader);
    uint8_t flags = reader_u8(reader);
    rank->is_explicit = (flags & 1) != 0;
    rank->blames = (flags & 2) != 0;
    rank->is_storm_beside = (flags & 4) != 0;
    rank->is_storm_joined = (flags & 8) != 0;
    rank->has_complaints = (flags & 16) != 0;
    rank->alternatives_count = reader_u8(reader);
    reader->failed = reader->failed || rank->alternatives_count > INCIDENT_ALTERNATIVES_MAX;
    for (uint32_t i = 0; i < rank->alternatives_count && !reader->failed; i++) {
        rank->alternatives[i].node = reader_u32(reader);
        rank->alternatives[i].confidence = reader_f64(reader);
    }
}

enum incident_state_flags {
    STATE_TOLD = 1,
    STATE_ANNOUNCED = 2,
    STATE_END_TOLD = 4,
    STATE_LOOKS_AGAIN = 8,
    STATE_SINKS_KNOWN = 16,
    STATE_SHELVED = 32,
    STATE_LACKS_MEMBER = 64,
    STATE_ASKS_KIN = 128,
    STATE_REHOMES = 256,
    STATE_FLAPS = 512,
    STATE_ENDED_BY_PERSON = 1024,
    STATE_BY_SHIFT = 24, /* the byte above: of how many is the name of who acknowledged it */
};

/* Nearly no timeline is that long. */
static void write_recurring(const struct incident *incident, struct writer *writer) {
    uint32_t count = RECURRING_COUNT;
    while (count > 0 && incident->recurring[count - 1].line == 0) {
        count--;
    }
    writer_u8(writer, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        writer_u32(writer, incident->recurring[i].line);
        writer_u32(writer, incident->recurring[i].left_out);
    }
}

void incident_encode_state(const struct incident *incident, struct writer *writer) {
    uint32_t flags = (incident->is_told ? (uint32_t)STATE_TOLD : 0) |
                     (incident->is_announced ? (uint32_t)STATE_ANNOUNCED : 0) |
                     (incident->is_end_told ? (uint32_t)STATE_END_TOLD : 0) |
                     (incident->looks_again ? (uint32_t)STATE_LOOKS_AGAIN : 0) |
                     (incident->told_sinks_unknown ? 0 : (uint32_t)STATE_SINKS_KNOWN) |
                     (incident->is_shelved ? (uint32_t)STATE_SHELVED : 0) |
                     (incident->lacks_member ? (uint32_t)STATE_LACKS_MEMBER : 0) |
                     (incident->asks_kin ? (uint32_t)STATE_ASKS_KIN : 0) |
                     (incident->rehomes ? (uint32_t)STATE_REHOMES : 0) |
                     (incident->flaps ? (uint32_t)STATE_FLAPS : 0) |
                     (incident->is_ended_by_person ? (uint32_t)STATE_ENDED_BY_PERSON : 0);
    writer_u32(writer, flags | incident->acknowledged_by_size << STATE_BY_SHIFT);
    writer_u32(writer, incident->changes);
    writer_u32(writer, incident->timeline_next);
    writer_u64(writer, incident->opened_seq);
    writer_u32(writer, incident->opened_index);
    writer_u64(writer, incident->suppressed_shown);
    writer_u64(writer, incident->told_ns);
    writer_u64(writer, incident->tell_due_ns);
    writer_u64(writer, incident->refresh_due_ns);
    writer_u64(writer, incident->forget_due_ns);
    writer_u32(writer, incident->suspect_node);
    writer_u32(writer, incident->suspect_count);
    writer_u32(writer, incident->suspect_total);
    write_state_rank(&incident->rank, writer);
    writer_u32(writer, incident->rank.storms_count);
    writer_u32(writer, incident->rank.storm_node);
    writer_u32(writer, incident->rank.tenants_hit);
    writer_u32(writer, incident->rank.tenants_at_risk);
    writer_u8(writer, (uint8_t)incident->told_sinks_count);
    for (uint32_t i = 0; i < incident->told_sinks_count; i++) {
        writer_u32(writer, incident->told_sinks[i]);
    }
    writer_text(writer, slice_of(incident->acknowledged, incident->acknowledged_size));
    writer_u32(writer, incident->rank.rival_node);
    writer_u32(writer, incident->rank.rival_affected);
    write_recurring(incident, writer);
    if (incident->reopened_ns != 0) {
        writer_u64(writer, incident->reopened_ns);
    }
}

/* What it has lost is subtracted from what a timeline had. */
static void read_recurring(struct reader *reader, struct incident *incident) {
    uint32_t count = reader_u8(reader);
    uint64_t left_out = 0;
    reader->failed = reader->failed || count > RECURRING_COUNT;
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        incident->recurring[i].line = reader_u32(reader);
        incident->recurring[i].left_out = reader_u32(reader);
        left_out += incident->recurring[i].left_out;
    }
    reader->failed = reader->failed || left_out > incident->timeline_next;
}

static void read_flags(uint32_t flags, struct incident *incident) {
    incident->is_told = (flags & STATE_TOLD) != 0;
    incident->is_announced = (flags & STATE_ANNOUNCED) != 0;
    incident->is_end_told = (flags & STATE_END_TOLD) != 0;
    incident->looks_again = (flags & STATE_LOOKS_AGAIN) != 0;
    incident->is_shelved = (flags & STATE_SHELVED) != 0;
    incident->lacks_member = (flags & STATE_LACKS_MEMBER) != 0;
    incident->asks_kin = (flags & STATE_ASKS_KIN) != 0;
    incident->rehomes = (flags & STATE_REHOMES) != 0;
    incident->flaps = (flags & STATE_FLAPS) != 0;
    incident->is_ended_by_person = (flags & STATE_ENDED_BY_PERSON) != 0;
    incident->acknowledged_by_size = flags >> STATE_BY_SHIFT; /* older rows know of none */
    incident->told_sinks_unknown = incident->is_told && (flags & STATE_SINKS_KNOWN) == 0;
}

static void read_told_sinks(struct reader *reader, struct incident *incident) {
    incident->told_sinks_count = reader_u8(reader);
    reader->failed = reader->failed || incident->told_sinks_count > SINKS_PER_TENANT_MAX;
    for (uint32_t i = 0; i < incident->told_sinks_count && !reader->failed; i++) {
        incident->told_sinks[i] = reader_u32(reader);
    }
}

static void read_acknowledged(struct reader *reader, struct incident *incident) {
    struct slice said = reader_text(reader);
    reader->failed = reader->failed || said.size > ACKNOWLEDGED_BYTES_MAX;
    incident->acknowledged_size = reader->failed ? 0 : (uint32_t)said.size;
    slice_copy(slice_head(said, incident->acknowledged_size), (uint8_t *)incident->acknowledged);
}

/* What rows of an older version end before. */
static void read_newer(struct reader *reader, struct incident *incident) {
    if (reader_left(reader) > 0) { /* they know of no storms */
        incident->rank.storms_count = reader_u32(reader);
        incident->rank.storm_node = reader_u32(reader);
    }
    if (reader_left(reader) > 0) { /* nor of the tenants that the platform reaches */
        incident->rank.tenants_hit = reader_u32(reader);
        incident->rank.tenants_at_risk = reader_u32(reader);
    }
    if (reader_left(reader) > 0) { /* nor of who was told */
        read_told_sinks(reader, incident);
    }
    if (reader_left(reader) > 0) { /* nor of who acknowledged it, nor of rivals */
        read_acknowledged(reader, incident);
        incident->rank.rival_node = reader_u32(reader);
        incident->rank.rival_affected = reader_u32(reader);
    }
    incident->is_older = reader_left(reader) == 0;
    if (!incident->is_older) { /* nor of what their timelines leave out */
        read_recurring(reader, incident);
    }
    incident->reopened_ns = reader_left(reader) > 0 ? reader_u64(reader) : 0;
}

struct status incident_decode_state(struct slice bytes, struct incident *incident) {
    struct reader reader = reader_over(bytes);
    read_flags(reader_u32(&reader), incident);
    incident->changes = reader_u32(&reader);
    incident->timeline_next = reader_u32(&reader);
    incident->opened_seq = reader_u64(&reader);
    incident->opened_index = reader_u32(&reader);
    incident->suppressed_shown = reader_u64(&reader);
    incident->told_ns = reader_u64(&reader);
    incident->tell_due_ns = reader_u64(&reader);
    incident->refresh_due_ns = reader_u64(&reader);
    incident->forget_due_ns = reader_u64(&reader);
    incident->suspect_node = reader_u32(&reader);
    incident->suspect_count = reader_u32(&reader);
    incident->suspect_total = reader_u32(&reader);
    read_state_rank(&reader, &incident->rank);
    read_newer(&reader, incident);
    return status_of(reader.failed || reader_left(&reader) != 0 ? STATUS_CORRUPT : STATUS_OK);
}

/* --- A member --- */

void member_encode_state(const struct member *member, struct writer *writer) {
    writer_u8(writer, member->recovers_by_silence ? 1 : 0);
    writer_u8(writer, (uint8_t)member->severity);
    writer_u64(writer, member->last_signal_ns);
    writer_u64(writer, member->recovered_event_ns);
    writer_u64(writer, member->recovered_ns);
    writer_u64(writer, member->silence_due_ns);
    writer_u64(writer, member->signals_count);
    writer_u64(writer, member->placed_seq);
    writer_u32(writer, member->placed_index);
    writer_f64(writer, (double)member->strength);
    writer_u8(writer, (uint8_t)member->resources.count);
    for (uint32_t i = 0; i < member->resources.count; i++) {
        writer_u64(writer, member->resources.items[i]);
    }
    writer_text(writer, slice_of(member->error_class, member->error_class_size));
    writer_text(writer, slice_of(member->message, member->message_size));
    writer_u8(writer, (uint8_t)member->told_by);
    writer_u8(writer, member->is_told_by_many ? 1 : 0);
    writer_u64(writer, member->told_by_key);
    writer_u64(writer, member->heard_ns);
    writer_u64(writer, member->first_ns);
    writer_u8(writer, member->is_told_unlisted ? 1 : 0);
    writer_u8(writer, (uint8_t)member->firing_count);
    for (uint32_t i = 0; i < member->firing_count; i++) {
        writer_u64(writer, member->firing[i].key);
        writer_u64(writer, member->firing[i].heard_ns);
        writer_u64(writer, member->firing[i].until_ns);
    }
}

static void read_firing(struct reader *reader, struct member *member) {
    member->is_told_unlisted = reader_u8(reader) != 0;
    member->firing_count = reader_u8(reader);
    reader->failed = reader->failed || member->firing_count > FIRING_MAX;
    for (uint32_t i = 0; i < member->firing_count && !reader->failed; i++) {
        member->firing[i].key = reader_u64(reader);
        member->firing[i].heard_ns = reader_u64(reader);
        member->firing[i].until_ns = reader_u64(reader);
    }
}

/* What rows of an older version end before. */
static void read_newer_of_member(struct reader *reader, struct member *member) {
    member->is_told_by_many = true;
    if (reader_left(reader) > 0) { /* they do not say who told */
        member->told_by = (enum event_kind)reader_u8(reader);
        member->is_told_by_many = reader_u8(reader) != 0;
        member->told_by_key = reader_u64(reader);
    }
    member->heard_ns = member->last_signal_ns;
    if (reader_left(reader) > 0) { /* nor when they heard it */
        member->heard_ns = reader_u64(reader);
        member->first_ns = reader_u64(reader);
    }
    member->is_told_unlisted = true;
    if (reader_left(reader) > 0) { /* nor which alerts fire */
        read_firing(reader, member);
    }
}

struct status member_decode_state(struct slice bytes, struct member *member) {
    struct reader reader = reader_over(bytes);
    member->recovers_by_silence = reader_u8(&reader) != 0;
    member->severity = (enum event_severity)reader_u8(&reader);
    member->last_signal_ns = reader_u64(&reader);
    member->recovered_event_ns = reader_u64(&reader);
    member->recovered_ns = reader_u64(&reader);
    member->silence_due_ns = reader_u64(&reader);
    member->signals_count = reader_u64(&reader);
    member->placed_seq = reader_u64(&reader);
    member->placed_index = reader_u32(&reader);
    member->strength = (float)reader_f64(&reader);
    member->resources.count = reader_u8(&reader);
    reader.failed = reader.failed || member->resources.count > RESOURCES_PER_MEMBER_MAX;
    for (uint32_t i = 0; i < member->resources.count && !reader.failed; i++) {
        member->resources.items[i] = reader_u64(&reader);
    }
    struct slice error_class = reader_text(&reader);
    struct slice message = reader_text(&reader);
    read_newer_of_member(&reader, member);
    if (reader.failed || reader_left(&reader) != 0 || error_class.size > ERROR_CLASS_BYTES_MAX ||
        message.size > MESSAGE_KEPT_BYTES_MAX || member->severity >= EVENT_SEVERITY_COUNT) {
        return status_of(STATUS_CORRUPT);
    }
    memcpy(member->error_class, error_class.data, error_class.size);
    memcpy(member->message, message.data, message.size);
    member->error_class_size = (uint32_t)error_class.size;
    member->message_size = (uint32_t)message.size;
    member->tone = member_tone(member);
    return status_ok();
}
