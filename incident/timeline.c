/*
 * timeline.c - what stands in an incident's timeline.
 *
 * An incident that flaps for ever never ends, and a timeline may not grow without end. Beyond
 * TIMELINE_GOINGS_MAX lines, and two a member, it is long: who is well and fails again, its ends
 * and openings, and repeats are not listed any more (the API adds up repeats by itself). Of what
 * else recurs the latest stands there, and says how many before it are left out; the first ones
 * stay. Only what is said seldom, or leads to another timeline, is added as before.
 *
 * What became of a message may be known only when its incident is in memory no more. Then it stands
 * behind all other lines, one line a message, the latest of it: so these are bounded, too.
 */
#include "incident/incident_state.h"
#include "incident/rows.h"

/* Rows keep one counter of each, in this order. */
static const char *const recurring_words[RECURRING_COUNT] = {
    "told", "re-rooted", "silenced", "joined", "moved", "undelivered", "delivered late"};
/* "; x4294967295 before it are not listed" */
#define LEFT_OUT_BYTES_MAX 64u
#define LINE_KEY_BYTES 20u
/* Numbers of lines that came when the incident was in memory no more. */
#define LINE_LATE 0x80000000u

static struct slice line_key(struct hash128 id, uint32_t number, struct writer *writer) {
    writer_hash128(writer, id);
    writer_u32_big_endian(writer, number);
    return writer_slice(writer);
}

static void put_row(const struct incident_context *context, struct slice key, const char *what,
                    struct slice detail) {
    uint8_t value[DETAIL_BYTES_MAX + 64];
    struct writer writer = writer_over(value, sizeof(value));
    writer_u64(&writer, context->now_ns);
    writer_text(&writer, slice_of_text(what));
    writer_text(&writer, slice_head(detail, DETAIL_BYTES_MAX));
    ASSERT(!writer.failed);
    effect_put(context->effects, STORE_TABLE_TIMELINE, key, writer_slice(&writer));
}

static void put_line(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident, const char *what, struct slice detail) {
    uint8_t key[LINE_KEY_BYTES];
    struct writer writer = writer_over(key, sizeof(key));
    put_row(context, line_key(incident->id, incident->timeline_next++, &writer), what, detail);
    incident_touch(incidents, incident);
}

static struct recurring *recurring_of(struct incident *incident, const char *what) {
    for (uint32_t i = 0; i < RECURRING_COUNT; i++) {
        if (slice_equals(slice_of_text(what), slice_of_text(recurring_words[i]))) {
            return &incident->recurring[i];
        }
    }
    return NULL;
}

/* The line before goes; the new one counts it. */
static void leave_out(const struct incident_context *context, const struct incident *incident,
                      struct recurring *recurring, struct text *detail) {
    uint8_t key[LINE_KEY_BYTES];
    struct writer writer = writer_over(key, sizeof(key));
    effect_delete(context->effects, STORE_TABLE_TIMELINE,
                  line_key(incident->id, recurring->line, &writer));
    recurring->left_out++;
    text_add_text(detail, "; ");
    repeats_add(detail, recurring->left_out);
    text_add_text(detail, " before it are not listed");
}

void timeline_add(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident, const char *what, struct slice detail) {
    struct recurring *recurring = timeline_is_long(incident) ? recurring_of(incident, what) : NULL;
    if (recurring == NULL) {
        put_line(incidents, context, incident, what, detail);
        return;
    }
    char words[DETAIL_BYTES_MAX];
    struct text latest = text_over(words, sizeof(words));
    text_add(&latest, slice_head(detail, DETAIL_BYTES_MAX - LEFT_OUT_BYTES_MAX));
    if (recurring->line > 0) {
        leave_out(context, incident, recurring, &latest);
    }
    recurring->line = incident->timeline_next;
    put_line(incidents, context, incident, what, text_slice(&latest));
}

uint32_t timeline_lines(const struct incident *incident) {
    uint32_t lines = incident->timeline_next;
    for (uint32_t i = 0; i < RECURRING_COUNT; i++) {
        ASSERT(lines >= incident->recurring[i].left_out);
        lines -= incident->recurring[i].left_out;
    }
    return lines;
}

void timeline_add_news(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident, const struct member *member, const char *what,
                       enum event_status status) {
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    entity_add(&detail, graph_get_node(context->graph, member->node).entity, member->is_foreign);
    text_add_char(&detail, ' ');
    text_add(&detail, status == EVENT_STATUS_NONE ? SLICE("silent") : event_status_word(status));
    timeline_add(incidents, context, incident, what, text_slice(&detail));
}

bool timeline_is_long(const struct incident *incident) {
    return incident->timeline_next >= TIMELINE_GOINGS_MAX + 2 * (uint64_t)incident->members_count;
}

void timeline_add_going(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident, const struct member *member, const char *what,
                        enum event_status status) {
    if (!timeline_is_long(incident)) {
        timeline_add_news(incidents, context, incident, member, what, status);
    }
}

void timeline_add_suppressed(struct incidents *incidents, const struct incident_context *context,
                             struct incident *incident) {
    uint64_t suppressed = incident->signals_total - incident->signals_unique;
    ASSERT(suppressed >= incident->suppressed_shown);
    if (suppressed == incident->suppressed_shown || timeline_is_long(incident)) {
        return;
    }
    char words[32];
    struct text detail = text_over(words, sizeof(words));
    repeats_add(&detail, suppressed - incident->suppressed_shown);
    incident->suppressed_shown = suppressed;
    timeline_add(incidents, context, incident, "deduplicated", text_slice(&detail));
}

static const char *const delivery_words[] = {
    [INCIDENT_UNDELIVERED] = "undelivered",
    [INCIDENT_DELIVERED_LATE] = "delivered late",
};

static struct slice describe(const struct incident_delivery *delivery, struct text *detail) {
    text_add(detail, delivery->type);
    text_add_text(detail, " to ");
    text_add(detail, delivery->sink);
    if (delivery->reason.size > 0) {
        text_add_text(detail, ": ");
        text_add(detail, delivery->reason);
    }
    return text_slice(detail);
}

bool incidents_note_delivery(struct incidents *incidents, const struct incident_context *context,
                             struct hash128 id, const struct incident_delivery *delivery) {
    struct incident *incident = incident_find(incidents, id);
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    if (incident == NULL) {
        return false;
    }
    timeline_add(incidents, context, incident, delivery_words[delivery->what],
                 describe(delivery, &detail));
    return true;
}

void incident_note_delivery_late(const struct incident_context *context, struct hash128 id,
                                 const struct incident_delivery *delivery) {
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    uint32_t number = LINE_LATE | (delivery->version & 0xffff) << 15 |
                      (uint32_t)(delivery->message_id.lo & 0x7fff);
    uint8_t key[LINE_KEY_BYTES];
    struct writer writer = writer_over(key, sizeof(key));
    put_row(context, line_key(id, number, &writer), delivery_words[delivery->what],
            describe(delivery, &detail));
}

uint64_t incidents_merged_seq(const struct incidents *incidents) {
    return incidents->merged_seq;
}
