/*
 * rows.h - an incident's and a member's rows: what they hold, and how they are written, taken back
 * and shown (rows.c, render.c). Only for the files of this room.
 *
 * Memory: rows are read as slices into their bytes. Thread: the shard; rendering: any, from rows.
 */
#pragma once

#include "incident/incident_state.h"

/* "platform/" before the entity of a foreign member. */
void entity_add(struct text *text, struct slice entity, bool is_foreign);
/* Of a title: who else is hit, by what leads to it from the root, and otherwise. */
struct title_counts {
    uint32_t downstream;
    uint32_t others;
};
/* root: NULL when it is only suspected. */
void title_add(struct text *text, struct slice root_entity, const struct member *root,
               struct title_counts counts);
/* "x411", as the timeline tells of repeats. */
void repeats_add(struct text *text, uint64_t count);
struct slice incident_encode(struct incidents *incidents, const struct incident_context *context,
                             const struct incident *incident, bool is_forgotten);
struct slice member_encode(const struct incidents *incidents,
                           const struct incident_context *context, const struct member *member);
/* The state part of a row (state_part.c). CORRUPT for what none of our versions wrote. */
void incident_encode_state(const struct incident *incident, struct writer *writer);
void member_encode_state(const struct member *member, struct writer *writer);
MUST_CHECK struct status incident_decode_state(struct slice bytes, struct incident *incident);
MUST_CHECK struct status member_decode_state(struct slice bytes, struct member *member);
size_t incident_key(const struct incident *incident, uint8_t *key);
size_t recent_key(const struct incident *incident, uint8_t *key);
size_t member_key_row(struct hash128 id, uint32_t node, uint8_t *key);

/* What a row says, as slices into it (rows.c decodes, render.c shows, restore reads state). */
struct incident_row {
    enum incident_status status;
    enum event_severity severity;
    bool is_forgotten;
    bool is_suspected; /* root_entity names a silent upstream; root_node is the first symptom */
    uint32_t root_node;
    uint32_t version;
    struct hash128 id;
    struct slice tenant;
    struct slice title;
    struct slice root_entity;
    struct slice root_error_class;
    struct slice root_message;
    uint64_t root_since_ns;
    double confidence;
    uint32_t evidence_count;
    struct slice evidence[INCIDENT_EVIDENCE_MAX];
    uint32_t alternatives_count;
    struct {
        struct slice entity;
        uint32_t node;
        double confidence;
    } alternatives[INCIDENT_ALTERNATIVES_MAX];
    uint32_t failing_count;
    uint32_t at_risk_count;
    uint32_t kinds_count;
    struct {
        struct slice word;
        uint32_t count;
    } kinds[KINDS_MAX];
    uint64_t signals_total;
    uint64_t signals_unique;
    uint64_t opened_ns;
    uint64_t updated_ns;
    uint64_t resolved_ns;
    struct slice owner;
    struct policy_label labels[2 * POLICY_LABELS_MAX];
    uint32_t labels_count;
    uint32_t traces_count;
    struct hash128 traces[INCIDENT_TRACE_IDS_MAX];
    struct slice state;
};
/* The root cause's name, as people are told it: a suspected upstream, else the root member. */
void incident_add_root(struct text *text, const struct incident_context *context,
                       const struct incident *incident, bool root_is_foreign);
MUST_CHECK struct status incident_row_decode(struct slice bytes, struct incident_row *row_out);
struct member_row {
    struct slice entity;
    uint32_t node; /* of the key */
    bool is_foreign;
    bool is_complaining;
    bool is_recovered;
    bool is_bygone;
    bool rehomes_again;
    enum event_status status;
    enum event_status recovered_status;
    uint64_t since_ns;
    uint32_t hops;
    struct slice state;
};
MUST_CHECK struct status member_row_decode(struct slice key, struct slice bytes,
                                           struct member_row *row_out);
struct slice incident_status_word(enum incident_status status);

/* --- render.c --- */
struct render_options {
    uint32_t affected_max;
    uint32_t affected_more;   /* beside those of the source */
    struct slice merged_into; /* "inc_…", empty when it was not */
};
void incident_render(const struct incident_row *row, const struct incident_members_source *members,
                     const struct render_options *options, struct text *json,
                     struct status *status_out);
