/*
 * rows.c - incident and member rows: what the API shows (names as text) and, behind it, the state
 * that recovery needs. Little-endian by core/base/reader.h.
 *
 * INCIDENT: u8 format, u8 status, u8 severity, u8 flags (1 forgotten, 2 root is suspected), u32
 * root node, u32 version, hash128 id, text tenant, title, root entity, root error class, root
 * message, owner, u64 root since, f64 confidence, u8 n + n texts evidence, u8 n + n (text entity,
 * u32 node, f64) alternatives, u32 failing, u32 at risk, u8 n + n (text, u32) kinds, u64 signals
 * total, unique, u64 opened, updated, resolved, u8 n + n hash128 traces, text state, since
 * format 2: u8 n + n (text, text) labels. MEMBER: u8
 * format, u8 flags (1 foreign, 2 recovered, 4 complaining, 8 bygone), u8 status, u8 recovered
 * status, u64 since, u32 hops, text entity, text state.
 */
#include "incident/rows.h"
#include "incident/incident_state.h"
#include "schemas/derive.h"

/* Of an error in a title. */
#define TITLE_ERROR_BYTES_MAX 96u

/* Of incidents: 1 had no labels. */
enum { ROW_FORMAT = 2, MEMBER_FORMAT = 1 };

size_t incident_key(const struct incident *incident, uint8_t *key) {
    struct writer writer = writer_over(key, TENANT_BYTES_MAX + 32);
    writer_bytes(&writer, incident_tenant(incident));
    writer_u8(&writer, 0);
    writer_hash128(&writer, incident->id);
    ASSERT(!writer.failed);
    return writer.size;
}

size_t recent_key(const struct incident *incident, uint8_t *key) {
    struct writer writer = writer_over(key, TENANT_BYTES_MAX + 32);
    writer_bytes(&writer, incident_tenant(incident));
    writer_u8(&writer, 0);
    writer_u64_big_endian(&writer, ~incident->opened_ns);
    writer_hash128(&writer, incident->id);
    ASSERT(!writer.failed);
    return writer.size;
}

size_t member_key_row(struct hash128 id, uint32_t node, uint8_t *key) {
    struct writer writer = writer_over(key, 20);
    writer_hash128(&writer, id);
    writer_u32_big_endian(&writer, node);
    ASSERT(!writer.failed);
    return writer.size;
}

void entity_add(struct text *text, struct slice entity, bool is_foreign) {
    if (is_foreign) {
        text_add_text(text, "platform/");
    }
    text_add(text, entity);
}

void repeats_add(struct text *text, uint64_t count) {
    text_add_char(text, 'x');
    text_add_u64(text, count);
}

/* Of an error that is a stack trace: a title is one line. */
static struct slice first_line(struct slice words) {
    size_t start = 0;
    while (start < words.size && words.data[start] <= ' ') {
        start++;
    }
    size_t end = start;
    while (end < words.size && words.data[end] != '\n' && words.data[end] != '\r') {
        end++;
    }
    return slice_head(slice_tail(words, start), end - start);
}

/* What the title says of the error: its class; where that is the message without its numbers, the
 * message, which people read more easily. */
static struct slice title_error(const struct member *root) {
    struct slice error = slice_of(root->error_class, root->error_class_size);
    struct slice message = slice_of(root->message, root->message_size);
    bool is_masked =
        slice_find_byte(error, '#') < error.size || slice_find_byte(error, '\'') < error.size;
    char memory[ERROR_CLASS_BYTES_MAX + 1];
    struct text masked = text_over(memory, sizeof(memory));
    if (is_masked && slice_equals(derive_mask_over(message, &masked), error)) {
        error = slice_head(message, ERROR_CLASS_BYTES_MAX);
        while (!text_is_utf8(error) && error.size > 0) {
            error.size--; /* a character cut at the bound */
        }
    }
    if (text_begins_trace(error) && message.size > 0) {
        return text_last_line(message);
    }
    return first_line(error);
}

/* No more than is read at a glance, and than leaves room for how many are affected where a title
 * is cut: words are left out, whole ones where there are, and it shows. */
static void add_title_error(struct text *text, struct slice error) {
    struct slice shown = slice_head(error, TITLE_ERROR_BYTES_MAX);
    if (shown.size < error.size) {
        size_t end = shown.size;
        while (end > TITLE_ERROR_BYTES_MAX / 2 && shown.data[end] != ' ') {
            end--;
        }
        shown = end > TITLE_ERROR_BYTES_MAX / 2 ? slice_head(shown, end) : shown;
        while (shown.size > 0 && (error.data[shown.size] & 0xc0) == 0x80) {
            shown.size--; /* never half a character */
        }
    }
    text_add(text, shown);
    text_add_text(text, shown.size < error.size ? "\xE2\x80\xA6" : "");
}

void title_add(struct text *text, struct slice root_entity, const struct member *root,
               struct title_counts counts) {
    text_add(text, root_entity);
    text_add_char(text, ' ');
    text_add(text, root == NULL ? SLICE("suspected") : event_status_word(root->status));
    struct slice error = {0};
    if (root != NULL) {
        error = title_error(root);
    }
    if (error.size > 0) {
        text_add_text(text, ": ");
        add_title_error(text, error);
    }
    if (counts.downstream > 0) {
        text_add_format(text, "; %u downstream affected", counts.downstream);
    }
    if (counts.others > 0) {
        text_add_format(text, "%s %u %s with it", counts.downstream > 0 ? "," : ";", counts.others,
                        counts.others == 1 ? "other" : "others");
    }
}

/* "reported a failure itself: 40 alerts fire": one entity, and one message, may stand for many. As
 * of the last change: a row does not depend on when it is written. */
static void add_firing(struct text *line, const struct incident *incident,
                       const struct member *root) {
    uint32_t count = firing_count_now(root, incident->updated_ns);
    if (count > 1 && incident->rank.suspect_count == 0) {
        text_add_format(line, ": %s%u alerts fire", count == FIRING_MAX ? "at least " : "", count);
    }
}

static void write_rank(const struct incident *incident, const struct incident_context *context,
                       const struct member *root, struct writer *writer) {
    const struct rank *rank = &incident->rank;
    writer_f64(writer, rank->confidence);
    char words[128 + ENTITY_BYTES_MAX]; /* a line may end with an entity */
    uint32_t count = 0;
    struct text line = text_over(words, sizeof(words));
    while (count < INCIDENT_EVIDENCE_MAX && rank_evidence(rank, context->graph, count, &line)) {
        count++;
    }
    writer_u8(writer, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        line = text_over(words, sizeof(words));
        (void)rank_evidence(rank, context->graph, i, &line);
        if (i == RANK_EVIDENCE_REPORTED) {
            add_firing(&line, incident, root);
        }
        writer_text(writer, text_slice(&line));
    }
    writer_u8(writer, (uint8_t)rank->alternatives_count);
    for (uint32_t i = 0; i < rank->alternatives_count; i++) {
        uint32_t node = rank->alternatives[i].node;
        struct graph_node seen = graph_get_node(context->graph, node);
        char name[ENTITY_BYTES_MAX + 16];
        struct text entity = text_over(name, sizeof(name));
        entity_add(&entity, seen.entity, !slice_equals(seen.owner, incident_tenant(incident)));
        writer_text(writer, text_slice(&entity));
        writer_u32(writer, node);
        writer_f64(writer, rank->alternatives[i].confidence);
    }
}

void incident_add_root(struct text *text, const struct incident_context *context,
                       const struct incident *incident, bool root_is_foreign) {
    if (incident->suspect_node != GRAPH_NODE_NONE) {
        suspect_add_entity(text, context, incident);
    } else {
        entity_add(text, graph_get_node(context->graph, incident->root_node).entity,
                   root_is_foreign);
    }
}

/* Who joined since the last refresh did so by a path, as a rule. */
static struct title_counts count_hit(const struct incident *incident, bool root_is_among_them) {
    const struct rank *rank = &incident->rank;
    uint32_t hit = incident->members_count - incident->bygone_count + incident->complaining_count -
                   (root_is_among_them ? 1 : 0);
    uint32_t others = rank->affected_count - rank->reached_count;
    others = others < hit ? others : hit;
    return (struct title_counts){.downstream = hit - others, .others = others};
}

static void write_root(const struct incident *incident, const struct incident_context *context,
                       const struct member *root, struct writer *writer) {
    char entity_words[ENTITY_BYTES_MAX + 16];
    struct text entity = text_over(entity_words, sizeof(entity_words));
    bool is_suspected = incident->suspect_node != GRAPH_NODE_NONE;
    incident_add_root(&entity, context, incident, root->is_foreign);
    bool is_among_them = !root->is_foreign && !root->is_bygone && !is_suspected;
    char title_words[DETAIL_BYTES_MAX];
    struct text title = text_over(title_words, sizeof(title_words));
    title_add(&title, text_slice(&entity), is_suspected ? NULL : root,
              count_hit(incident, is_among_them));
    writer_text(writer, text_slice(&title));
    writer_text(writer, text_slice(&entity));
    writer_text(writer, slice_of(root->error_class, root->error_class_size));
    writer_text(writer, slice_of(root->message, root->message_size));
    const struct policy *policy = incident_policy(context, incident);
    writer_text(writer, slice_head(severity_owner(policy, text_slice(&entity)), LABEL_BYTES_MAX));
    writer_u64(writer, member_first_ns(root));
}

static void write_counts(const struct incident *incident, struct writer *writer) {
    writer_u32(writer, incident->failing_count);
    writer_u32(writer, incident->at_risk_count);
    writer_u8(writer, (uint8_t)incident->kinds_count);
    for (uint32_t i = 0; i < incident->kinds_count; i++) {
        const struct kind_count *kind = &incident->kinds[i];
        writer_text(writer, slice_of(kind->word, kind->word_size));
        writer_u32(writer, kind->count);
    }
    writer_u64(writer, incident->signals_total);
    writer_u64(writer, incident->signals_unique);
    writer_u64(writer, incident->opened_ns);
    writer_u64(writer, incident->updated_ns);
    writer_u64(writer, incident->resolved_ns);
    writer_u8(writer, (uint8_t)incident->traces_count);
    for (uint32_t i = 0; i < incident->traces_count; i++) {
        writer_hash128(writer, incident->traces[i]);
    }
}

static void write_labels(const struct incident *incident, const struct incident_context *context,
                         const struct member *root, struct writer *writer) {
    char words[ENTITY_BYTES_MAX + 16];
    struct text entity = text_over(words, sizeof(words));
    struct policy_label labels[2 * POLICY_LABELS_MAX];
    incident_add_root(&entity, context, incident, root->is_foreign);
    uint32_t count = policy_labels(incident_policy(context, incident), text_slice(&entity), labels);
    writer_u8(writer, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        writer_text(writer, labels[i].key);
        writer_text(writer, labels[i].value);
    }
}

struct slice incident_encode(struct incidents *incidents, const struct incident_context *context,
                             const struct incident *incident, bool is_forgotten) {
    const struct member *root = member_at(incidents, incident->root);
    ASSERT(root->node == incident->root_node);
    struct writer writer = writer_over(incidents->row, ROW_BYTES_MAX);
    writer_u8(&writer, ROW_FORMAT);
    writer_u8(&writer, (uint8_t)incident->status);
    writer_u8(&writer, (uint8_t)incident->severity);
    writer_u8(&writer, (uint8_t)((is_forgotten ? 1 : 0) |
                                 (incident->suspect_node != GRAPH_NODE_NONE ? 2 : 0)));
    writer_u32(&writer, incident->root_node);
    writer_u32(&writer, incident->version);
    writer_hash128(&writer, incident->id);
    writer_text(&writer, incident_tenant(incident));
    write_root(incident, context, root, &writer);
    write_rank(incident, context, root, &writer);
    write_counts(incident, &writer);
    uint8_t state[1024];
    struct writer state_writer = writer_over(state, sizeof(state));
    incident_encode_state(incident, &state_writer);
    ASSERT(!state_writer.failed);
    writer_text(&writer, writer_slice(&state_writer));
    write_labels(incident, context, root, &writer);
    ASSERT(!writer.failed);
    return writer_slice(&writer);
}

struct slice member_encode(const struct incidents *incidents,
                           const struct incident_context *context, const struct member *member) {
    struct writer writer = writer_over(incidents->member_row, ROW_BYTES_MAX);
    writer_u8(&writer, MEMBER_FORMAT);
    writer_u8(&writer, (uint8_t)((member->is_foreign ? 1 : 0) | (member->is_recovered ? 2 : 0) |
                                 (member->is_complaining ? 4 : 0) | (member->is_bygone ? 8 : 0) |
                                 (member->rehomes_again ? 16 : 0)));
    writer_u8(&writer, (uint8_t)member->status);
    writer_u8(&writer, (uint8_t)member->recovered_status);
    writer_u64(&writer, member->since_ns);
    writer_u32(&writer, member->hops);
    writer_text(&writer, graph_get_node(context->graph, member->node).entity);
    uint8_t state[4096];
    struct writer state_writer = writer_over(state, sizeof(state));
    member_encode_state(member, &state_writer);
    ASSERT(!state_writer.failed);
    writer_text(&writer, writer_slice(&state_writer));
    ASSERT(!writer.failed);
    return writer_slice(&writer);
}

static void read_rank(struct reader *reader, struct incident_row *row) {
    row->confidence = reader_f64(reader);
    row->evidence_count = reader_u8(reader);
    reader->failed = reader->failed || row->evidence_count > INCIDENT_EVIDENCE_MAX;
    for (uint32_t i = 0; i < row->evidence_count && !reader->failed; i++) {
        row->evidence[i] = reader_text(reader);
    }
    row->alternatives_count = reader_u8(reader);
    reader->failed = reader->failed || row->alternatives_count > INCIDENT_ALTERNATIVES_MAX;
    for (uint32_t i = 0; i < row->alternatives_count && !reader->failed; i++) {
        row->alternatives[i].entity = reader_text(reader);
        row->alternatives[i].node = reader_u32(reader);
        row->alternatives[i].confidence = reader_f64(reader);
    }
}

static void read_counts(struct reader *reader, struct incident_row *row) {
    row->failing_count = reader_u32(reader);
    row->at_risk_count = reader_u32(reader);
    row->kinds_count = reader_u8(reader);
    reader->failed = reader->failed || row->kinds_count > KINDS_MAX;
    for (uint32_t i = 0; i < row->kinds_count && !reader->failed; i++) {
        row->kinds[i].word = reader_text(reader);
        row->kinds[i].count = reader_u32(reader);
    }
    row->signals_total = reader_u64(reader);
    row->signals_unique = reader_u64(reader);
    row->opened_ns = reader_u64(reader);
    row->updated_ns = reader_u64(reader);
    row->resolved_ns = reader_u64(reader);
    row->traces_count = reader_u8(reader);
    reader->failed = reader->failed || row->traces_count > INCIDENT_TRACE_IDS_MAX;
    for (uint32_t i = 0; i < row->traces_count && !reader->failed; i++) {
        row->traces[i] = reader_hash128(reader);
    }
}

static void read_labels(struct reader *reader, struct incident_row *row) {
    row->labels_count = reader_u8(reader);
    reader->failed = reader->failed || row->labels_count > 2 * POLICY_LABELS_MAX;
    for (uint32_t i = 0; i < row->labels_count && !reader->failed; i++) {
        row->labels[i].key = reader_text(reader);
        row->labels[i].value = reader_text(reader);
    }
}

struct status incident_row_decode(struct slice bytes, struct incident_row *row_out) {
    struct reader reader = reader_over(bytes);
    struct incident_row row = {0};
    uint8_t format = reader_u8(&reader);
    bool is_known = format >= 1 && format <= ROW_FORMAT;
    row.status = (enum incident_status)reader_u8(&reader);
    row.severity = (enum event_severity)reader_u8(&reader);
    uint8_t flags = reader_u8(&reader);
    row.is_forgotten = (flags & 1) != 0;
    row.is_suspected = (flags & 2) != 0;
    row.root_node = reader_u32(&reader);
    row.version = reader_u32(&reader);
    row.id = reader_hash128(&reader);
    row.tenant = reader_text(&reader);
    row.title = reader_text(&reader);
    row.root_entity = reader_text(&reader);
    row.root_error_class = reader_text(&reader);
    row.root_message = reader_text(&reader);
    row.owner = reader_text(&reader);
    row.root_since_ns = reader_u64(&reader);
    read_rank(&reader, &row);
    read_counts(&reader, &row);
    row.state = reader_text(&reader);
    if (format >= 2) {
        read_labels(&reader, &row);
    }
    if (!is_known || reader.failed || reader_left(&reader) != 0 || row.status < INCIDENT_OPEN ||
        row.status > INCIDENT_RESOLVED || row.severity >= EVENT_SEVERITY_COUNT ||
        row.tenant.size > TENANT_BYTES_MAX) {
        return status_of(STATUS_CORRUPT);
    }
    *row_out = row;
    return status_ok();
}

struct status member_row_decode(struct slice key, struct slice bytes, struct member_row *row_out) {
    struct reader key_reader = reader_over(key);
    (void)reader_hash128(&key_reader);
    struct member_row row = {.node = reader_u32_big_endian(&key_reader)};
    struct reader reader = reader_over(bytes);
    bool is_known = reader_u8(&reader) == (uint8_t)MEMBER_FORMAT;
    uint8_t flags = reader_u8(&reader);
    row.is_foreign = (flags & 1) != 0;
    row.is_recovered = (flags & 2) != 0;
    row.is_complaining = (flags & 4) != 0;
    row.is_bygone = (flags & 8) != 0;
    row.rehomes_again = (flags & 16) != 0;
    row.status = (enum event_status)reader_u8(&reader);
    row.recovered_status = (enum event_status)reader_u8(&reader);
    row.since_ns = reader_u64(&reader);
    row.hops = reader_u32(&reader);
    row.entity = reader_text(&reader);
    row.state = reader_text(&reader);
    if (!is_known || reader.failed || key_reader.failed || reader_left(&reader) != 0 ||
        reader_left(&key_reader) != 0 ||
        (row.is_bygone && (row.is_foreign || row.is_complaining || !row.is_recovered)) ||
        row.status >= EVENT_STATUS_COUNT || row.recovered_status >= EVENT_STATUS_COUNT) {
        return status_of(STATUS_CORRUPT);
    }
    *row_out = row;
    return status_ok();
}

struct status incident_row_read(struct slice incident_row, struct incident_row_facts *facts_out) {
    struct incident_row row;
    TRY(incident_row_decode(incident_row, &row));
    *facts_out = (struct incident_row_facts){
        .id = row.id,
        .is_open = row.status != INCIDENT_RESOLVED,
        .status_word = incident_status_word(row.status),
        .opened_ns = row.opened_ns,
        .updated_ns = row.updated_ns,
        .tenant = row.tenant,
    };
    return status_ok();
}

struct status incident_root_read(struct slice incident_row, struct incident_root_facts *facts_out) {
    struct incident_row row;
    TRY(incident_row_decode(incident_row, &row));
    struct incident_root_facts facts = {
        .tenant = row.tenant,
        .entity = row.root_entity,
        .node = row.root_node,
        .is_suspected = row.is_suspected,
        .confidence = row.confidence,
        .since_ns = row.root_since_ns,
        .evidence_count = row.evidence_count,
        .alternatives_count = row.alternatives_count,
    };
    memcpy(facts.evidence, row.evidence, sizeof(facts.evidence));
    for (uint32_t i = 0; i < row.alternatives_count; i++) {
        facts.alternatives[i].entity = row.alternatives[i].entity;
        facts.alternatives[i].node = row.alternatives[i].node;
        facts.alternatives[i].confidence = row.alternatives[i].confidence;
    }
    *facts_out = facts;
    return status_ok();
}

struct status incident_member_read(struct slice key, struct slice value,
                                   struct incident_member_facts *facts_out) {
    struct member_row row;
    TRY(member_row_decode(key, value, &row));
    *facts_out = (struct incident_member_facts){
        .entity = row.entity,
        .node = row.node,
        .is_foreign = row.is_foreign,
        .is_recovered = row.is_recovered,
        .is_bygone = row.is_bygone,
        .is_complaining = row.is_complaining,
        .status = row.is_recovered ? row.recovered_status : row.status,
        .failed_status = row.status,
        .since_ns = row.since_ns,
        .hops = row.hops,
    };
    return status_ok();
}

/* --- What stays when it is forgotten --- */

enum {
    STEP_BYTES = 200, /* of a row of the timeline with its key, about */
    MEMBER_BESIDE_BYTES = 64,
};

struct status incident_remains_read(struct slice incident_row,
                                    struct incident_remains *remains_out) {
    struct incident_row row;
    struct incident state = {0};
    TRY(incident_row_decode(incident_row, &row));
    if (!row.is_forgotten) {
        return status_of(STATUS_MISSING);
    }
    TRY(incident_decode_state(row.state, &state));
    *remains_out = (struct incident_remains){
        .id = row.id,
        .tenant = row.tenant,
        .resolved_ns = row.resolved_ns,
        .bytes = incident_row.size + (uint64_t)timeline_lines(&state) * STEP_BYTES,
    };
    return status_ok();
}

uint64_t incident_remains_member_bytes(size_t row_bytes) {
    return row_bytes + MEMBER_BESIDE_BYTES;
}
