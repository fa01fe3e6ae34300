/*
 * timeline.c - what stands in an incident's timeline.
 *
 * An incident that flaps for ever never ends, and a timeline may not grow without end. Beyond
 * TIMELINE_GOINGS_MAX lines, and two a member, it is long: who is well and fails again, its ends
 * and openings, and repeats are not listed any more (the API adds up repeats by itself). Of what
 * else recurs the latest stands there, and says how many before it are left out; the first ones
 * stay. Only what is said seldom, or leads to another timeline, is added as before.
 */
#include "incident/incident_state.h"
#include "incident/rows.h"

/* Rows keep one counter of each, in this order. */
static const char *const recurring_words[RECURRING_COUNT] = {"told", "re-rooted", "silenced",
                                                             "joined", "moved"};
/* "; x4294967295 before it are not listed" */
#define LEFT_OUT_BYTES_MAX 64u

static struct slice line_key(const struct incident *incident, uint32_t number,
                             struct writer *writer) {
    writer_hash128(writer, incident->id);
    writer_u32_big_endian(writer, number);
    return writer_slice(writer);
}

static void put_line(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident, const char *what, struct slice detail) {
    uint8_t key[20];
    uint8_t value[DETAIL_BYTES_MAX + 64];
    struct writer key_writer = writer_over(key, sizeof(key));
    struct slice line = line_key(incident, incident->timeline_next++, &key_writer);
    struct writer writer = writer_over(value, sizeof(value));
    writer_u64(&writer, context->now_ns);
    writer_text(&writer, slice_of_text(what));
    writer_text(&writer, slice_head(detail, DETAIL_BYTES_MAX));
    ASSERT(!writer.failed && !key_writer.failed);
    effect_put(context->effects, STORE_TABLE_TIMELINE, line, writer_slice(&writer));
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
    uint8_t key[20];
    struct writer writer = writer_over(key, sizeof(key));
    effect_delete(context->effects, STORE_TABLE_TIMELINE,
                  line_key(incident, recurring->line, &writer));
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
    text_add(&detail, event_status_word(status));
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
