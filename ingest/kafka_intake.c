/*
 * kafka_intake.c - messages into batches, and batches to the shard.
 *
 * A message is decoded whole or not at all: what it has put into batches is taken out again when it
 * turns out to be unreadable, or when no batch is free. One that fills more than a batch is cut at
 * an envelope; the range of the first part ends inside the message (struct stream_place).
 *
 * Bounds: KAFKA_BATCHES. When none is free the source stops decoding, later pauses its partitions.
 */
#include <stdio.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "ingest/kafka_decode.h"
#include "ingest/kafka_internal.h"
#include "ingest/native.h"
#include "ingest/otlp_edges.h"

#define RETRY_NS (100 * NS_PER_MS)

/* --- Batches --- */

static struct kafka_batch *open_batch(struct kafka_source *source) {
    struct kafka_batch *batch = source->free;
    if (batch == NULL) {
        return NULL;
    }
    source->free = batch->next;
    batch_clear(&batch->batch, BATCH_STREAM);
    batch->spans_count = 0;
    ASSERT(batch->letters_out == 0);
    batch->next = NULL;
    if (source->last != NULL) {
        source->last->next = batch;
    } else {
        source->first = batch;
    }
    source->last = batch;
    source->open = batch;
    return batch;
}

static void free_batch(struct kafka_source *source, struct kafka_batch *batch) {
    batch->next = source->free;
    source->free = batch;
}

/* --- Groups: a range and the envelopes behind it --- */

static void encode_range(const struct kafka_source *source, const struct kafka_group *group,
                         uint32_t envelopes, struct writer *writer) {
    const struct kafka_place *place = &source->places[group->place];
    struct stream_range range = {
        .name =
            {
                .cluster =
                    slice_head(kafka_consumer_cluster(source->consumer), STREAM_CLUSTER_BYTES_MAX),
                .group = source->settings->group,
                .topic = place->topic,
                .partition = place->partition,
            },
        .from = group->from,
        .to = group->to,
        .envelopes = envelopes,
        .is_reset = group->is_reset,
    };
    stream_range_encode(&range, writer);
}

static void close_group(struct kafka_source *source) {
    struct kafka_group *group = &source->group;
    if (!group->is_open) {
        return;
    }
    struct kafka_batch *batch = source->open;
    struct writer writer = writer_over(batch->batch.writer.data + group->at, group->size);
    encode_range(source, group, batch->batch.count - group->count_before - 1, &writer);
    ASSERT(!writer.failed && writer.size == group->size);
    ASSERT(batch->spans_count < KAFKA_SPANS_MAX);
    batch->spans[batch->spans_count++] = (struct kafka_span){group->place, group->to};
    group->is_open = false;
}

void kafka_end_range(struct kafka_source *source) {
    close_group(source);
}

/* Puts a range at the end of the open batch, false when it has no room. */
static bool begin_group(struct kafka_source *source, uint32_t index, struct stream_place from) {
    struct kafka_batch *batch = source->open;
    const struct kafka_place *place = &source->places[index];
    if (batch == NULL || batch->spans_count == KAFKA_SPANS_MAX) {
        return false;
    }
    struct kafka_group group = {
        .is_open = true,
        .is_reset = place->is_reset,
        .place = index,
        .count_before = batch->batch.count,
        .from = from,
        .to = from,
    };
    struct writer writer = batch_entry_begin(&batch->batch);
    group.at = (size_t)(writer.data - batch->batch.writer.data);
    encode_range(source, &group, 0, &writer);
    if (writer.failed || writer.capacity == 0) {
        return false;
    }
    group.size = writer.size;
    batch_entry_commit(&batch->batch, writer.size);
    source->group = group;
    return true;
}

/* A group of this partition that ends where it goes on. FULL: no batch is free. */
static struct status want_group(struct kafka_source *source, uint32_t index) {
    const struct kafka_place *place = &source->places[index];
    const struct kafka_group *group = &source->group;
    if (group->is_open && group->place == index && !place->is_reset &&
        group->to.offset == place->read.offset && group->to.part == place->read.part) {
        return status_ok();
    }
    close_group(source);
    if (begin_group(source, index, place->read)) {
        return status_ok();
    }
    if (open_batch(source) == NULL) {
        return status_of(STATUS_FULL);
    }
    ASSERT(begin_group(source, index, place->read)); /* a range fits into an empty batch */
    return status_ok();
}

/* --- Rolling back --- */

struct mark {
    struct kafka_batch *last;
    struct kafka_batch *open; /* NULL, or `last` */
    struct kafka_group group;
    size_t size;
    uint32_t count;
    uint32_t spans_count;
};

static struct mark make_mark(const struct kafka_source *source) {
    struct mark mark = {.last = source->last, .open = source->open, .group = source->group};
    if (mark.open != NULL) {
        mark.size = mark.open->batch.writer.size;
        mark.count = mark.open->batch.count;
        mark.spans_count = mark.open->spans_count;
    }
    return mark;
}

static void roll_back(struct kafka_source *source, const struct mark *mark) {
    struct kafka_batch **at = mark->last == NULL ? &source->first : &mark->last->next;
    while (*at != NULL) {
        struct kafka_batch *batch = *at;
        *at = batch->next;
        free_batch(source, batch);
    }
    source->last = mark->last;
    source->open = mark->open;
    source->group = mark->group;
    if (mark->open != NULL) {
        mark->open->batch.writer.size = mark->size;
        mark->open->batch.count = mark->count;
        mark->open->spans_count = mark->spans_count;
    }
}

/* --- One message --- */

/* Of the message being decoded; the edges that its spans teach do not count, see stream.h. */
static uint32_t count_records(const struct kafka_source *source) {
    return source->decode.accepted + source->decode.refused;
}

/* The envelopes that are durable already, of a message that was cut, go nowhere. */
static struct batch *scratch_for(struct kafka_source *source, bool is_full) {
    if (is_full || source->scratch.count == 0) {
        batch_clear(&source->scratch, BATCH_STREAM);
    }
    return &source->scratch;
}

static bool is_let_in(struct kafka_source *source, struct slice tenant) {
    return !source->has_limits ||
           rates_let_in(&source->rates, &source->rate, &source->config->policies,
                        source->settings->threads, tenant, source->now_ns);
}

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    struct kafka_source *source = context;
    struct kafka_now *now = &source->now;
    if (count_records(source) < now->part) {
        return scratch_for(source, is_full);
    }
    if (!is_full) {
        return is_let_in(source, tenant) ? &source->open->batch : NULL;
    }
    source->group.to =
        (struct stream_place){.offset = now->message->offset, .part = count_records(source)};
    struct stream_place from = source->group.to;
    close_group(source);
    if (open_batch(source) == NULL) {
        return NULL;
    }
    ASSERT(begin_group(source, now->place, from));
    return &source->open->batch;
}

static struct slice dedup_by_for(void *context, struct slice tenant) {
    const struct kafka_source *source = context;
    return policy_set_find(&source->config->policies, tenant)->dedup_by;
}

void kafka_intake_use_config(struct kafka_source *source) {
    const struct policy_set *policies = &source->config->policies;
    source->has_limits = policies->defaults.limit_events_per_s > 0;
    for (uint32_t i = 0; i < policies->tenants_count; i++) {
        source->has_limits = source->has_limits || policies->tenants[i].limit_events_per_s > 0;
    }
}

void kafka_intake_init(struct kafka_source *source) {
    kafka_intake_use_config(source);
    source->name_place = UINT32_MAX;
    source->place_latest = UINT32_MAX;
    shapes_init(&source->shapes);
    shapes_init(&source->native_shapes);
    source->decode = (struct decode){
        .arena = &source->decode_arena,
        .shapes = &source->shapes,
        .native_shapes = &source->native_shapes,
        .hash_seed = source->options.hash_seed,
        .batch_for = batch_for,
        .dedup_by_for = dedup_by_for,
        .refused_attributes = kafka_refused_attributes,
        .context = source,
    };
}

/* "kafka:orders/3@17": what stands before the offset is the same for most messages in a row. */
static struct slice name_message(struct kafka_source *source) {
    const struct kafka_place *place = &source->places[source->now.place];
    if (source->name_place != source->now.place) {
        ASSERT(place->source.size < sizeof(source->name));
        memcpy(source->name, place->source.data, place->source.size);
        source->name_prefix = place->source.size;
        source->name_place = source->now.place;
    }
    struct text offset =
        text_over(source->name + source->name_prefix, sizeof(source->name) - source->name_prefix);
    text_add_u64(&offset, source->now.message->offset);
    ASSERT(!offset.truncated);
    return slice_of(source->name, source->name_prefix + offset.size);
}

/* The decoder, made ready for the message. */
static struct decode *begin_decode(struct kafka_source *source) {
    const struct kafka_place *place = &source->places[source->now.place];
    struct decode *decode = &source->decode;
    decode->now_ns = source->now_ns;
    decode->source = name_message(source);
    otlp_edges_begin(decode, source->options.spans, source->config);
    decode->tenant = place->settings->tenant;
    decode->tenant_is_bound =
        place->settings->tenant.size > 0 && source->config->auth_mode == AUTH_TOKEN;
    decode->usual = (struct decode_usual){0};
    decode->accepted = 0;
    decode->refused = 0;
    decode->points = 0;
    decode->fault.words[0] = 0;
    return decode;
}

/* The tenant of the topic, of the header, or of the record, in this order. librdkafka parses a
 * message's headers when it is asked for them: asked is when they can matter. */
static struct status decode_message(struct kafka_source *source, struct decode *decode) {
    const struct kafka_message *message = source->now.message;
    const struct config_kafka_topic *settings = source->places[source->now.place].settings;
    enum kafka_format format = settings->format;
    struct slice type = {0};
    struct slice tenant = {0};
    struct status status;
    bool may_ask = !settings->has_no_headers;
    bool is_asked = may_ask && (decode->tenant.size == 0 || format == KAFKA_AUTO);
    bool has_headers = is_asked && kafka_message_has_headers(message);
    if (has_headers && decode->tenant.size == 0 &&
        kafka_message_header(message, "tenant", &tenant) && tenant.size > 0) {
        struct fault reason;
        if (!status_is_ok(derive_check_tenant(tenant, &reason))) {
            return fault_set(&decode->fault, STATUS_INVALID, "header tenant: %s", reason.words);
        }
        decode->tenant = tenant;
    }
    /* One event is the same event on a line of its own: no content-type makes another of it. */
    if (format == KAFKA_NATIVE && native_decode_usual(decode, message->value, &status)) {
        return status;
    }
    if (has_headers || (may_ask && !is_asked && format == KAFKA_NATIVE)) {
        (void)kafka_message_header(message, "content-type", &type);
    }
    status = kafka_decode(decode, format, type, message->value);
    if (decode->points > 0) {
        stats_add(source->options.stats, STAT_METRIC_POINTS, decode->points);
    }
    return status;
}

static void begin_message(struct kafka_source *source, const struct kafka_message *message,
                          uint32_t index) {
    ASSERT(source->open != NULL);
    struct stream_place read = source->places[index].read;
    source->now = (struct kafka_now){
        .message = message,
        .place = index,
        .part = read.offset == message->offset ? read.part : 0,
    };
    arena_reset(&source->decode_arena);
}

/* With all batches free and the message still too large, it never will fit. */
static bool is_alone(const struct kafka_source *source, const struct mark *mark) {
    return mark->last == NULL && source->in_flight == NULL;
}

static struct status refuse_message(struct kafka_source *source, uint32_t index,
                                    const struct kafka_message *message, const char *words) {
    TRY(want_group(source, index));
    begin_message(source, message, index);
    struct decode *decode = begin_decode(source);
    const struct config_kafka_topic *settings = source->places[index].settings;
    struct fault reason;
    if (settings->tenant.size == 0 && !settings->has_no_headers &&
        (!kafka_message_header(message, "tenant", &decode->tenant) ||
         !status_is_ok(derive_check_tenant(decode->tenant, &reason)))) {
        decode->tenant = settings->tenant;
    }
    return decode_refuse(decode, message->value, words);
}

/* The message as envelopes; when it cannot be read, as a refused one. */
static struct status fill_message(struct kafka_source *source, uint32_t index,
                                  const struct kafka_message *message) {
    struct mark mark = make_mark(source);
    TRY(want_group(source, index));
    begin_message(source, message, index);
    const struct decode *decode = begin_decode(source);
    struct status status = decode_message(source, &source->decode);
    bool is_too_large =
        status.code == STATUS_FULL && source->rate.wait_s == 0 && is_alone(source, &mark);
    if (status.code == STATUS_INVALID || is_too_large) {
        struct fault why = decode->fault;
        rates_give_back(&source->rate);
        const char *words =
            is_too_large ? "the message holds more than can be taken at once" : why.words;
        roll_back(source, &mark);
        TRY(refuse_message(source, index, message, words));
        return kafka_letters_send(source, message, 1, words);
    }
    TRY(status);
    return decode->refused == 0
               ? status_ok()
               : kafka_letters_send(source, message, decode->refused, decode->fault.words);
}

static struct status add_message(struct kafka_source *source, uint32_t index,
                                 const struct kafka_message *message) {
    struct mark mark = make_mark(source);
    source->rate = (struct rate_turn){0};
    struct status status =
        message->is_tombstone ? want_group(source, index) : fill_message(source, index, message);
    if (!status_is_ok(status)) {
        roll_back(source, &mark);
        rates_give_back(&source->rate);
    }
    return status;
}

static void count_message(struct kafka_source *source, const struct kafka_message *message) {
    source->messages_uncounted++;
    source->bytes_uncounted += message->value.size;
    if (message->is_tombstone) {
        stats_add(source->options.stats, STAT_KAFKA_TOMBSTONES, 1);
    }
}

static void show_counts(struct kafka_source *source) {
    if (source->messages_uncounted > 0) {
        stats_add(source->options.stats, STAT_KAFKA_MESSAGES, source->messages_uncounted);
        stats_add(source->options.stats, STAT_KAFKA_BYTES, source->bytes_uncounted);
        source->messages_uncounted = 0;
        source->bytes_uncounted = 0;
    }
}

/* Mostly that of the message before. */
uint32_t kafka_find_place(struct kafka_source *source, const struct kafka_message *message) {
    uint32_t latest = source->place_latest;
    if (latest == UINT32_MAX || source->places[latest].partition != message->partition ||
        !slice_equals(source->places[latest].topic, message->topic)) {
        source->place_latest = kafka_places_find(source, message->topic, message->partition);
    }
    return source->place_latest;
}

struct status kafka_take(struct kafka_source *source, const struct kafka_message *message) {
    uint32_t index = kafka_find_place(source, message);
    if (index == UINT32_MAX || !source->places[index].is_owned) {
        return status_ok(); /* given back meanwhile: whoever has it now reads it again */
    }
    struct kafka_place *place = &source->places[index];
    if (!place->has_read) {
        place->read = (struct stream_place){.offset = message->offset};
        place->has_read = true;
    }
    if (message->offset < place->read.offset) {
        stats_add(source->options.stats, STAT_KAFKA_REPEATED, 1);
        return status_ok();
    }
    TRY(add_message(source, index, message));
    source->group.to = (struct stream_place){.offset = message->offset + 1};
    place->read = source->group.to;
    place->is_reset = false;
    place->wants_pin = false;
    count_message(source, message);
    return status_ok();
}

struct status kafka_take_pin(struct kafka_source *source, uint32_t index) {
    TRY(want_group(source, index));
    source->places[index].is_reset = false;
    source->places[index].wants_pin = false;
    return status_ok();
}

/* --- To the shard and back --- */

void kafka_send(struct kafka_source *source) {
    struct kafka_batch *batch = source->first;
    show_counts(source);
    if (batch == NULL || source->in_flight != NULL || batch->letters_out > 0 ||
        (source->retry_at_ns != 0 && clock_monotonic_ns() < source->retry_at_ns) ||
        !atomic_load(source->options.is_ready)) {
        return;
    }
    source->retry_at_ns = 0;
    if (batch == source->open) {
        close_group(source);
        source->open = NULL;
    }
    (void)batch_finish(&batch->batch);
    if (!status_is_ok(gate_send(source->options.gate, &batch->batch))) {
        source->retry_at_ns = clock_monotonic_ns() + RETRY_NS;
        return;
    }
    source->first = batch->next;
    source->last = source->first == NULL ? NULL : source->last;
    source->in_flight = batch;
}

static void settle(struct kafka_source *source, struct kafka_batch *batch) {
    for (uint32_t i = 0; i < batch->spans_count; i++) {
        struct kafka_place *place = &source->places[batch->spans[i].place];
        place->durable = batch->spans[i].to;
        place->has_durable = true;
    }
    source->is_failing = false;
    free_batch(source, batch);
}

void kafka_take_back(struct kafka_source *source) {
    struct batch *answered = gate_take_back(source->options.gate);
    if (answered == NULL) {
        return;
    }
    struct kafka_batch *batch = source->in_flight;
    ASSERT(batch != NULL && answered == &batch->batch);
    source->in_flight = NULL;
    if (answered->outcome == STATUS_OK) {
        settle(source, batch);
        return;
    }
    if (!source->is_failing) {
        log_write(source->options.logger, LOG_LEVEL_ERROR, "kafka",
                  "%.*s: the journal does not take events (%s): they are kept, and sent again",
                  SLICE_PRINT(source->entry.name), status_name(status_of(answered->outcome)));
    }
    source->is_failing = true;
    /* Before any other, so that ranges stay in order. */
    batch->next = source->first;
    source->first = batch;
    source->last = source->last == NULL ? batch : source->last;
    source->retry_at_ns = clock_monotonic_ns() + RETRY_NS;
}
