/*
 * derive.c - see derive.h; the contract is product.md, "From a record to an envelope".
 */
#include "schemas/derive.h"

#include "core/base/assert.h"
#include "core/base/text.h"
#include "schemas/derive_memo.h"

#define EVENT_TIME_OLDEST_NS                                                                       \
    (UINT64_C(946684800) * NS_PER_S) /* 2000-01-01: older is a wrong clock */
#define EVENT_TIME_AHEAD_NS_MAX NS_PER_DAY

static const struct slice platform_prefix = {(const uint8_t *)"platform/", 9};

/* --- Entity --- */

/* Eight bytes at once: the high bit of a byte stays set where it is below 0x20, or 0x7F. */
static bool word_has_control(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t rest = word ^ (ones * 0x7F);
    return ((((word - ones * 0x20) & ~word) | ((rest - ones) & ~rest)) & (ones * 0x80)) != 0;
}

static bool has_control(struct slice text, bool *is_ascii_out) {
    uint64_t word = UINT64_C(0x2020202020202020);
    if (text.size < sizeof(word)) {
        slice_copy(text, (uint8_t *)&word);
    } else {
        memcpy(&word, text.data + text.size - sizeof(word), sizeof(word)); /* overlaps the last */
    }
    bool is_any = word_has_control(word);
    uint64_t all = word;
    for (size_t at = 0; at + sizeof(word) < text.size; at += sizeof(word)) {
        memcpy(&word, text.data + at, sizeof(word));
        is_any = is_any || word_has_control(word);
        all |= word;
    }
    *is_ascii_out = (all & UINT64_C(0x8080808080808080)) == 0;
    return is_any;
}

static struct status check_entity_text(struct slice entity, struct fault *reason) {
    bool is_ascii = true;
    if (has_control(entity, &is_ascii)) {
        return fault_set(reason, STATUS_INVALID, "an entity holds a control character");
    }
    if (!is_ascii && !text_is_utf8(entity)) {
        return fault_set(reason, STATUS_INVALID, "an entity is no UTF-8");
    }
    return status_ok();
}

static bool is_kind_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' ||
           byte == '-';
}

struct status derive_check_entity(struct slice entity, struct fault *reason) {
    struct slice name = slice_starts_with(entity, platform_prefix)
                            ? slice_tail(entity, platform_prefix.size)
                            : entity;
    size_t colon = slice_find_byte(name, ':');
    if (entity.size > ENTITY_BYTES_MAX) {
        return fault_set(reason, STATUS_INVALID, "an entity has at most %u bytes",
                         ENTITY_BYTES_MAX);
    }
    if (colon == 0 || colon >= name.size - (name.size > 0 ? 1 : 0)) {
        return fault_set(reason, STATUS_INVALID,
                         "entity \"%.*s\" is not of the form kind:name, such as job:load_orders",
                         SLICE_PRINT(slice_head(entity, 80)));
    }
    for (size_t i = 0; i < colon; i++) {
        if (!is_kind_byte(name.data[i])) {
            return fault_set(reason, STATUS_INVALID,
                             "an entity's kind is lower-case letters, digits, '_' or '-'");
        }
    }
    return check_entity_text(entity, reason);
}

static struct status join_entity(struct arena *arena, struct slice kind, struct slice prefix,
                                 struct slice name, struct slice *entity_out,
                                 struct fault *reason) {
    struct slice slash = prefix.size > 0 ? SLICE("/") : SLICE("");
    struct slice parts[] = {kind, prefix, slash, name};
    size_t size = 0;
    if (prefix.size > ENTITY_BYTES_MAX || name.size > ENTITY_BYTES_MAX ||
        kind.size + prefix.size + slash.size + name.size > ENTITY_BYTES_MAX) {
        return fault_set(reason, STATUS_INVALID, "an entity has at most %u bytes",
                         ENTITY_BYTES_MAX);
    }
    uint8_t *memory =
        arena_allocate_unset(arena, kind.size + prefix.size + slash.size + name.size, 1);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        slice_copy(parts[i], memory + size);
        size += parts[i].size;
    }
    struct slice entity = slice_of(memory, size);
    TRY(check_entity_text(entity, reason));
    *entity_out = entity;
    return status_ok();
}

struct status derive_entity(const struct derive_entity_keys *keys, struct arena *arena,
                            struct slice *entity_out, struct fault *reason) {
    struct slice none = {0};
    if (keys->job_id.size > 0) {
        return join_entity(arena, SLICE("job:"), none, keys->job_id, entity_out, reason);
    }
    if (keys->dataset_name.size > 0) {
        return join_entity(arena, SLICE("dataset:"), none, keys->dataset_name, entity_out, reason);
    }
    if (keys->check_id.size > 0) {
        return join_entity(arena, SLICE("check:"), none, keys->check_id, entity_out, reason);
    }
    if (keys->service_name.size > 0) {
        return join_entity(arena, SLICE("service:"), keys->service_namespace, keys->service_name,
                           entity_out, reason);
    }
    *entity_out = SLICE("unknown:unidentified");
    return status_ok();
}

struct status derive_check_tenant(struct slice tenant, struct fault *reason) {
    bool is_valid = tenant.size > 0 && tenant.size <= TENANT_BYTES_MAX && tenant.data[0] != '.';
    for (size_t i = 0; is_valid && i < tenant.size; i++) {
        uint8_t byte = tenant.data[i];
        is_valid = is_kind_byte(byte) || (byte >= 'A' && byte <= 'Z') || byte == '.';
    }
    if (!is_valid) {
        return fault_set(reason, STATUS_INVALID,
                         "a tenant id has 1 to %u of A-Z a-z 0-9 . _ - and starts with no dot",
                         TENANT_BYTES_MAX);
    }
    return status_ok();
}

struct hash128 derive_entity_key(struct slice tenant, struct slice entity, uint64_t hash_seed) {
    if (slice_starts_with(entity, platform_prefix)) {
        tenant = SLICE("platform");
        entity = slice_tail(entity, platform_prefix.size);
    }
    struct slice parts[2] = {tenant, entity};
    return hash128_of_parts(parts, 2, hash_seed);
}

/* --- The rest of an envelope --- */

/* An entity "platform/x:y" is entity x:y of the tenant platform: only platform may speak of it,
 * unless nobody is bound to a tenant. */
static struct status settle_owner(const struct derive_context *context, struct envelope *envelope,
                                  struct fault *reason) {
    if (!slice_starts_with(envelope->entity, platform_prefix)) {
        return status_ok();
    }
    struct slice platform = SLICE("platform");
    if (context->tenant_is_bound && !slice_equals(envelope->tenant, platform)) {
        return fault_set(reason, STATUS_INVALID,
                         "entities under platform/ are reported by the tenant platform only");
    }
    envelope->tenant = platform;
    envelope->entity = slice_tail(envelope->entity, platform_prefix.size);
    return status_ok();
}

static void clamp_time(const struct derive_context *context, struct envelope *envelope) {
    envelope->ingest_time_ns = context->now_ns;
    if (envelope->event_time_ns < EVENT_TIME_OLDEST_NS ||
        envelope->event_time_ns > context->now_ns + EVENT_TIME_AHEAD_NS_MAX) {
        envelope->event_time_ns = context->now_ns;
        envelope->flags |= ENVELOPE_TIME_CLAMPED;
    }
}

static void derive_news(struct envelope *envelope) {
    if (envelope->status == EVENT_STATUS_NONE && envelope->kind == EVENT_KIND_LOG &&
        envelope->severity >= EVENT_SEVERITY_ERROR) {
        envelope->status = EVENT_STATUS_FAILED;
    }
    enum signal_news news = event_status_news(envelope->status);
    envelope->flags |= news == SIGNAL_BAD    ? ENVELOPE_SIGNAL
                       : news == SIGNAL_GOOD ? ENVELOPE_GOOD
                                             : 0;
}

/* Its first bytes, to a whole character. */
static struct slice cut_text(struct slice text, size_t size_max) {
    struct slice cut = slice_head(text, size_max);
    while (cut.size > 0 && cut.size < text.size && (text.data[cut.size] & 0xC0) == 0x80) {
        cut.size--; /* what follows goes on with a character */
    }
    return cut;
}

static struct status derive_error_class(struct arena *arena, struct envelope *envelope) {
    if (envelope->error_class.size > 0) {
        envelope->error_class = cut_text(envelope->error_class, ERROR_CLASS_BYTES_MAX);
        return status_ok();
    }
    if ((envelope->flags & ENVELOPE_SIGNAL) == 0) {
        return status_ok(); /* only signals are classed: nobody reads the class of an info log */
    }
    return derive_mask_message(envelope->message, arena, &envelope->error_class);
}

/* --- Identity --- */

uint64_t derive_cut_hash(uint64_t cut_hash, const struct attribute *attribute) {
    struct slice parts[] = {attribute->key, attribute->value};
    return hash128_of_parts(parts, sizeof(parts) / sizeof(parts[0]), cut_hash).lo;
}

/* What is cut before it is encoded still tells records apart; zero when nothing is. */
static struct hash128 hash_cut(const struct envelope *envelope, uint64_t hash_seed) {
    if (envelope->cut_hash == 0 && envelope->message.size <= MESSAGE_BYTES_MAX &&
        envelope->run_id.size <= RUN_ID_BYTES_MAX &&
        envelope->error_class.size <= ERROR_CLASS_BYTES_MAX) {
        return (struct hash128){0};
    }
    struct slice parts[] = {envelope->message, envelope->run_id, envelope->error_class,
                            slice_of(&envelope->cut_hash, sizeof(envelope->cut_hash))};
    return hash128_of_parts(parts, sizeof(parts) / sizeof(parts[0]), hash_seed);
}

/* A text that is not there takes no bytes when it is encoded: a run's id is not an error's class.
 */
static uint64_t which_texts(const struct envelope *envelope) {
    return (uint64_t)(envelope->run_id.size > 0) | (uint64_t)(envelope->error_class.size > 0) << 1 |
           (uint64_t)(envelope->message.size > 0) << 2;
}

/* A record without an id of its own is known by what it says, whatever encoding it came in (but for
 * an OTLP list or map too long to be kept, known by its bytes): here by all that is no text;
 * envelope_encode mixes the texts in, which it has in one piece. The event time is as sent: it is
 * clamped later. The entity's key stands for tenant and entity. */
static void derive_content_key(const struct derive_context *context, struct envelope *envelope) {
    struct hash128 cut = hash_cut(envelope, context->hash_seed);
    uint64_t score = 0;
    memcpy(&score, &envelope->score, sizeof(score));
    uint64_t words[] = {
        context->hash_seed,
        envelope->event_time_ns,
        which_texts(envelope) << 24 | (uint64_t)envelope->kind << 16 |
            (uint64_t)envelope->status << 8 | (uint64_t)envelope->severity,
        score,
        envelope->trace_id.lo,
        envelope->trace_id.hi,
        envelope->span_id,
        envelope->parent_span_id,
        envelope->entity_key.lo,
        envelope->entity_key.hi,
        cut.lo,
        cut.hi,
    };
    envelope->event_key = hash128_of(slice_of(words, sizeof(words)), 0);
    envelope->is_known_by_texts = true;
}

static void derive_event_key(const struct derive_context *context, struct envelope *envelope) {
    envelope->is_known_by_texts = false;
    if (envelope->event_id.size > 0) {
        struct slice parts[3] = {envelope->tenant, SLICE("id"), envelope->event_id};
        envelope->event_key = hash128_of_parts(parts, 3, context->hash_seed);
        envelope->flags |= ENVELOPE_OWN_EVENT_ID;
        return;
    }
    if (envelope->is_span && envelope->span_id != 0) {
        struct slice parts[3] = {envelope->tenant,
                                 slice_of(&envelope->trace_id, sizeof(envelope->trace_id)),
                                 slice_of(&envelope->span_id, sizeof(envelope->span_id))};
        envelope->event_key = hash128_of_parts(parts, 3, context->hash_seed);
        return;
    }
    derive_content_key(context, envelope);
}

static const struct attribute *find_attribute(const struct attribute *attributes, uint32_t count,
                                              struct slice key) {
    for (uint32_t i = 0; i < count; i++) {
        if (slice_equals(key, attributes[i].key)) {
            return &attributes[i];
        }
    }
    return NULL;
}

static struct slice find_value(const struct envelope *envelope, struct slice key) {
    const struct attribute_block *tail = envelope->tail;
    uint32_t own = envelope->attributes_count - (tail == NULL ? 0 : tail->count);
    const struct attribute *found = find_attribute(envelope->attributes, own, key);
    if (found == NULL && tail != NULL) {
        found = find_attribute(tail->attributes, tail->count, key);
    }
    return found == NULL ? slice_of(NULL, 0) : found->value;
}

/* Of the envelope, by their names in product.md; enums are known by their words. An attribute of a
 * name that yields comes before it: people have their own "source". */
static const struct envelope_field {
    const char *key;
    size_t offset;
    size_t size; /* 0: a text */
    bool yields;
} envelope_fields[] = {
    {"tenant", offsetof(struct envelope, tenant), 0, false},
    {"entity", offsetof(struct envelope, entity), 0, false},
    {"error_class", offsetof(struct envelope, error_class), 0, false},
    {"message", offsetof(struct envelope, message), 0, false},
    {"run_id", offsetof(struct envelope, run_id), 0, false},
    {"event_id", offsetof(struct envelope, event_id), 0, true},
    {"source", offsetof(struct envelope, source), 0, true},
    {"trace_id", offsetof(struct envelope, trace_id), sizeof(struct hash128), true},
    {"span_id", offsetof(struct envelope, span_id), sizeof(uint64_t), true},
    {"parent_span_id", offsetof(struct envelope, parent_span_id), sizeof(uint64_t), true},
};

/* What became of a field of the event when it is no attribute: of another format's or name's. */
static const struct event_field {
    const char *key;
    const char *kind;    /* of the entity that it names; NULL: another field */
    const char *instead; /* the name of that */
} event_fields[] = {
    {"tenant_id", NULL, "tenant"},
    {"tenant.id", NULL, "tenant"},
    {"run.id", NULL, "run_id"},
    {"event.id", NULL, "event_id"},
    {"error_type", NULL, "error_class"},
    {"error.type", NULL, "error_class"},
    {"job_id", "job:", NULL},
    {"job.id", "job:", NULL},
    {"dataset.name", "dataset:", NULL},
    {"check.id", "check:", NULL},
    {"service.name", "service:", NULL},
};

static bool find_field(const struct envelope *envelope, struct slice key, struct slice *value_out,
                       bool *yields_out) {
    for (size_t i = 0; i < sizeof(envelope_fields) / sizeof(envelope_fields[0]); i++) {
        const struct envelope_field *field = &envelope_fields[i];
        const void *at = (const uint8_t *)envelope + field->offset;
        if (slice_equals(key, slice_of_text(field->key))) {
            *value_out = field->size > 0 ? slice_of(at, field->size) : *(const struct slice *)at;
            *yields_out = field->yields;
            return true;
        }
    }
    bool is_kind = slice_equals(key, SLICE("kind"));
    bool is_status = slice_equals(key, SLICE("status"));
    if (is_kind || is_status || slice_equals(key, SLICE("severity"))) {
        *value_out = is_kind     ? event_kind_word(envelope->kind)
                     : is_status ? event_status_word(envelope->status)
                                 : event_severity_word(envelope->severity);
        *yields_out = !is_kind && !is_status;
        return true;
    }
    return false;
}

static struct slice find_renamed(const struct envelope *envelope, struct slice key) {
    struct slice value = {0};
    bool yields = false;
    for (size_t i = 0; i < sizeof(event_fields) / sizeof(event_fields[0]); i++) {
        const struct event_field *field = &event_fields[i];
        if (!slice_equals(key, slice_of_text(field->key))) {
            continue;
        }
        if (field->kind == NULL) {
            (void)find_field(envelope, slice_of_text(field->instead), &value, &yields);
        } else if (slice_starts_with(envelope->entity, slice_of_text(field->kind))) {
            value = slice_tail(envelope->entity, strlen(field->kind));
        }
    }
    return value;
}

/* One key of dedup.by: a field of the envelope, an attribute, or what one became. */
static struct slice fingerprint_part(const struct envelope *envelope, struct slice key) {
    struct slice field = {0};
    bool yields = false;
    bool is_field = find_field(envelope, key, &field, &yields);
    if (is_field && !yields) {
        return field;
    }
    struct slice value = find_value(envelope, key);
    return value.size > 0 ? value : is_field ? field : find_renamed(envelope, key);
}

enum { FINGERPRINT_PARTS_MAX = 16 };
static_assert(1 + DEDUP_BY_KEYS_MAX <= FINGERPRINT_PARTS_MAX, "no key of dedup.by is left out");

static void derive_fingerprint(const struct derive_context *context, struct envelope *envelope) {
    struct slice parts[FINGERPRINT_PARTS_MAX] = {
        envelope->tenant, envelope->entity, event_kind_word(envelope->kind), envelope->error_class};
    size_t count = 4;
    struct slice rest = context->dedup_by;
    if (rest.size > 0) {
        count = 1; /* the tenant always separates */
    }
    while (rest.size > 0 && count < FINGERPRINT_PARTS_MAX) {
        struct slice key = slice_head(rest, slice_find_byte(rest, ','));
        parts[count++] = fingerprint_part(envelope, slice_trim(key));
        rest = slice_tail(rest, key.size + 1);
    }
    envelope->fingerprint = hash128_of_parts(parts, count, context->hash_seed);
}

static void cut_texts(struct envelope *envelope) {
    if (envelope->message.size > MESSAGE_BYTES_MAX) {
        envelope->message = cut_text(envelope->message, MESSAGE_BYTES_MAX);
        envelope->flags |= ENVELOPE_MESSAGE_CUT;
    }
    envelope->run_id = cut_text(envelope->run_id, RUN_ID_BYTES_MAX);
    if (envelope->attributes_count > ATTRIBUTES_PER_EVENT_MAX) {
        envelope->attributes_count = ATTRIBUTES_PER_EVENT_MAX;
        envelope->flags |= ENVELOPE_MESSAGE_CUT;
    }
}

struct status derive_envelope(const struct derive_context *context, struct arena *arena,
                              struct envelope *envelope, struct fault *reason) {
    ASSERT(envelope->tenant.size > 0 && envelope->entity.size > 0);
    if (envelope->event_id.size > EVENT_ID_BYTES_MAX) {
        return fault_set(reason, STATUS_INVALID, "an event id has at most %u bytes",
                         EVENT_ID_BYTES_MAX);
    }
    if (envelope->depends_on_count > DEPENDS_ON_PER_EVENT_MAX) {
        return fault_set(reason, STATUS_INVALID, "depends_on has at most %u entities",
                         DEPENDS_ON_PER_EVENT_MAX);
    }
    for (uint32_t i = 0; i < envelope->depends_on_count; i++) {
        TRY(derive_check_entity(envelope->depends_on[i], reason));
    }
    TRY(settle_owner(context, envelope, reason));
    bool is_known = context->memo != NULL && derive_memo_knows(context->memo, envelope);
    envelope->entity_key =
        is_known ? context->memo->entity_key
                 : derive_entity_key(envelope->tenant, envelope->entity, context->hash_seed);
    derive_event_key(context, envelope);
    clamp_time(context, envelope);
    cut_texts(envelope);
    derive_news(envelope);
    TRY(derive_error_class(arena, envelope));
    if (is_known && envelope->error_class.size == 0 && context->dedup_by.size == 0) {
        envelope->fingerprint = context->memo->fingerprint;
        return status_ok();
    }
    derive_fingerprint(context, envelope);
    if (context->memo != NULL && envelope->error_class.size == 0 && context->dedup_by.size == 0) {
        derive_memo_keep(context->memo, envelope);
    }
    return status_ok();
}
