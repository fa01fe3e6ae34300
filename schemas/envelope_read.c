/*
 * envelope_read.c - verifying and reading envelopes: every offset is checked once, by
 * envelope_verify; reading then follows them. Tables of older and newer schemas are read too: a
 * field that is not in the vtable is zero, one that we do not know is never looked at. Those that
 * begin with a template of ours are of constant shape and read without their vtable; the two ways
 * agree, which a test checks.
 */
#include "schemas/envelope.h"

#include "core/base/assert.h"
#include "schemas/attributes_packed.h"
#include "schemas/envelope_template.h"

/* A table of the buffer; verified: its vtable and inline bytes lie inside. */
struct table_view {
    struct slice bytes;
    uint32_t at;
    uint32_t vtable;
    uint16_t vtable_size;
    uint16_t table_size;
};

static uint32_t load_u32(struct slice bytes, uint32_t at) {
    uint32_t value;
    memcpy(&value, bytes.data + at, sizeof(value));
    return value;
}

static uint16_t load_u16(struct slice bytes, uint32_t at) {
    uint16_t value;
    memcpy(&value, bytes.data + at, sizeof(value));
    return value;
}

static bool fits(struct slice bytes, uint64_t at, uint64_t size) {
    return at <= bytes.size && size <= bytes.size - at;
}

static bool open_table(struct slice bytes, uint64_t at, struct table_view *table_out) {
    if (!fits(bytes, at, 4)) {
        return false;
    }
    int32_t back = (int32_t)load_u32(bytes, (uint32_t)at);
    int64_t vtable = (int64_t)at - back;
    if (vtable < 0 || !fits(bytes, (uint64_t)vtable, 4)) {
        return false;
    }
    struct table_view table = {.bytes = bytes, .at = (uint32_t)at, .vtable = (uint32_t)vtable};
    table.vtable_size = load_u16(bytes, table.vtable);
    table.table_size = load_u16(bytes, table.vtable + 2);
    bool is_sound = table.vtable_size >= 4 && table.vtable_size % 2 == 0 && table.table_size >= 4 &&
                    fits(bytes, table.vtable, table.vtable_size) &&
                    fits(bytes, at, table.table_size);
    *table_out = table;
    return is_sound;
}

/* Where the field stands, 0 when it is absent. */
static uint32_t field_at(const struct table_view *table, uint32_t entry) {
    if (entry + 2 > table->vtable_size) {
        return 0;
    }
    uint16_t offset = load_u16(table->bytes, table->vtable + entry);
    return offset == 0 ? 0 : table->at + offset;
}

static bool check_field(const struct table_view *table, uint32_t entry, uint32_t size) {
    uint32_t at = field_at(table, entry);
    return at == 0 || (at >= table->at + 4 && at + size <= table->at + table->table_size);
}

/* A vector of `item_size` bytes an item behind the offset at `at`. */
static bool check_vector(struct slice bytes, uint32_t at, uint32_t item_size) {
    uint64_t target = (uint64_t)at + load_u32(bytes, at);
    if (!fits(bytes, target, 4)) {
        return false;
    }
    uint64_t count = load_u32(bytes, (uint32_t)target);
    return fits(bytes, target + 4, count * item_size);
}

static bool check_text(const struct table_view *table, uint32_t entry) {
    uint32_t at = field_at(table, entry);
    return check_field(table, entry, 4) && (at == 0 || check_vector(table->bytes, at, 1));
}

struct vector_view {
    uint32_t first; /* position of item 0 */
    uint32_t count;
};

static struct vector_view read_vector(const struct table_view *table, uint32_t entry) {
    uint32_t at = field_at(table, entry);
    if (at == 0) {
        return (struct vector_view){0};
    }
    uint32_t target = at + load_u32(table->bytes, at);
    return (struct vector_view){.first = target + 4, .count = load_u32(table->bytes, target)};
}

static bool check_attributes(const struct table_view *table) {
    uint32_t at = field_at(table, ENVELOPE_VT_ATTRIBUTES);
    if (at == 0) {
        return true;
    }
    if (!check_field(table, ENVELOPE_VT_ATTRIBUTES, 4) || !check_vector(table->bytes, at, 4)) {
        return false;
    }
    struct vector_view vector = read_vector(table, ENVELOPE_VT_ATTRIBUTES);
    for (uint32_t i = 0; i < vector.count; i++) {
        uint32_t entry = vector.first + 4 * i;
        struct table_view attribute;
        if (!open_table(table->bytes, (uint64_t)entry + load_u32(table->bytes, entry),
                        &attribute) ||
            !check_text(&attribute, ATTRIBUTE_VT_KEY) ||
            !check_text(&attribute, ATTRIBUTE_VT_VALUE) ||
            !check_field(&attribute, ATTRIBUTE_VT_TYPE, 1)) {
            return false;
        }
    }
    return true;
}

static bool check_depends_on(const struct table_view *table) {
    uint32_t at = field_at(table, ENVELOPE_VT_DEPENDS_ON);
    if (at == 0) {
        return true;
    }
    if (!check_field(table, ENVELOPE_VT_DEPENDS_ON, 4) || !check_vector(table->bytes, at, 4)) {
        return false;
    }
    struct vector_view vector = read_vector(table, ENVELOPE_VT_DEPENDS_ON);
    for (uint32_t i = 0; i < vector.count; i++) {
        if (!check_vector(table->bytes, vector.first + 4 * i, 1)) {
            return false;
        }
    }
    return true;
}

static bool check_scalars(const struct table_view *table) {
    static const uint8_t sizes[][2] = {
        {ENVELOPE_VT_EVENT_KEY, 16},    {ENVELOPE_VT_FINGERPRINT, 16},
        {ENVELOPE_VT_ENTITY_KEY, 16},   {ENVELOPE_VT_TRACE_ID, 16},
        {ENVELOPE_VT_SPAN_ID, 8},       {ENVELOPE_VT_PARENT_SPAN_ID, 8},
        {ENVELOPE_VT_EVENT_TIME_NS, 8}, {ENVELOPE_VT_INGEST_TIME_NS, 8},
        {ENVELOPE_VT_SCORE, 8},         {ENVELOPE_VT_FLAGS, 4},
        {ENVELOPE_VT_KIND, 1},          {ENVELOPE_VT_STATUS, 1},
        {ENVELOPE_VT_SEVERITY, 1},
    };
    bool is_sound = true;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        is_sound = is_sound && check_field(table, sizes[i][0], sizes[i][1]);
    }
    return is_sound;
}

static bool check_texts(const struct table_view *table) {
    static const uint8_t texts[] = {
        ENVELOPE_VT_TENANT,      ENVELOPE_VT_ENTITY,  ENVELOPE_VT_EVENT_ID, ENVELOPE_VT_RUN_ID,
        ENVELOPE_VT_ERROR_CLASS, ENVELOPE_VT_MESSAGE, ENVELOPE_VT_SOURCE,   ENVELOPE_VT_REASON,
        ENVELOPE_VT_RAW,         ENVELOPE_VT_PACKED,
    };
    bool is_sound = true;
    for (size_t i = 0; i < sizeof(texts); i++) {
        is_sound = is_sound && check_text(table, texts[i]);
    }
    return is_sound;
}

static uint8_t read_u8(const struct table_view *table, uint32_t entry) {
    uint32_t at = field_at(table, entry);
    return at == 0 ? 0 : table->bytes.data[at];
}

static struct slice read_text(const struct table_view *table, uint32_t entry) {
    struct vector_view vector = read_vector(table, entry);
    return slice_of(table->bytes.data + vector.first, vector.count);
}

static bool check_meaning(const struct table_view *table) {
    struct slice tenant = read_text(table, ENVELOPE_VT_TENANT);
    struct slice entity = read_text(table, ENVELOPE_VT_ENTITY);
    return read_u8(table, ENVELOPE_VT_STATUS) < EVENT_STATUS_COUNT &&
           read_u8(table, ENVELOPE_VT_SEVERITY) < EVENT_SEVERITY_COUNT && tenant.size > 0 &&
           tenant.size <= TENANT_BYTES_MAX && entity.size <= ENTITY_BYTES_MAX;
}

/* --- Envelopes of our own shapes --- */

static bool is_rich(struct slice bytes) {
    return load_u16(bytes, TABLE_SIZE_AT) == RICH_TABLE_BYTES;
}

static bool has_own_shape(struct slice bytes) {
    if (bytes.size < envelope_texts_at(false) || bytes.size > ENVELOPE_BYTES_MAX) {
        return false;
    }
    bool rich = is_rich(bytes);
    const struct envelope_template *own = rich ? &envelope_rich : &envelope_plain;
    return bytes.size >= envelope_texts_at(rich) &&
           memcmp(bytes.data, &own->front, sizeof(own->front)) == 0;
}

static struct table_view own_table(struct slice bytes) {
    return (struct table_view){
        .bytes = bytes,
        .at = TABLE_AT,
        .vtable = VTABLE_AT,
        .vtable_size = ENVELOPE_VTABLE_BYTES,
        .table_size = is_rich(bytes) ? RICH_TABLE_BYTES : PLAIN_TABLE_BYTES,
    };
}

static bool check_own_texts(struct slice bytes, const uint8_t *places, size_t count) {
    bool is_sound = true;
    for (size_t i = 0; i < count; i++) {
        is_sound = is_sound && check_vector(bytes, TABLE_AT + places[i], 1);
    }
    return is_sound;
}

static bool check_own(struct slice bytes) {
    static const uint8_t places[] = {AT_TENANT,  AT_ENTITY, AT_RUN_ID,
                                     AT_MESSAGE, AT_SOURCE, AT_PACKED};
    static const uint8_t rare_places[] = {AT_EVENT_ID, AT_ERROR_CLASS, AT_REASON, AT_RAW};
    return check_own_texts(bytes, places, sizeof(places)) &&
           (!is_rich(bytes) || check_own_texts(bytes, rare_places, sizeof(rare_places)));
}

static struct slice own_text(struct slice bytes, uint32_t field) {
    uint32_t target = TABLE_AT + field + load_u32(bytes, TABLE_AT + field);
    return slice_of(bytes.data + target + 4, load_u32(bytes, target));
}

static void read_own_rare(struct slice bytes, struct envelope *envelope) {
    const uint8_t *table = bytes.data + TABLE_AT;
    memcpy(&envelope->parent_span_id, table + AT_PARENT_SPAN_ID, 8);
    memcpy(&envelope->score, table + AT_SCORE, 8);
    envelope->event_id = own_text(bytes, AT_EVENT_ID);
    envelope->error_class = own_text(bytes, AT_ERROR_CLASS);
    envelope->reason = own_text(bytes, AT_REASON);
    envelope->raw = own_text(bytes, AT_RAW);
    envelope->depends_on_count = (uint32_t)own_text(bytes, AT_DEPENDS_ON).size;
}

/* Texts that are not there are empty and somewhere, as they are for whoever reads by vtable. */
static void leave_rare_empty(struct slice bytes, struct envelope *envelope) {
    struct slice empty = slice_of(bytes.data, 0);
    envelope->event_id = empty;
    envelope->error_class = empty;
    envelope->reason = empty;
    envelope->raw = empty;
}

static void read_own(struct slice bytes, struct envelope *envelope) {
    const uint8_t *table = bytes.data + TABLE_AT;
    *envelope = (struct envelope){0};
    memcpy(&envelope->event_key, table + AT_EVENT_KEY, 16);
    memcpy(&envelope->fingerprint, table + AT_FINGERPRINT, 16);
    memcpy(&envelope->entity_key, table + AT_ENTITY_KEY, 16);
    memcpy(&envelope->trace_id, table + AT_TRACE_ID, 16);
    memcpy(&envelope->span_id, table + AT_SPAN_ID, 8);
    memcpy(&envelope->event_time_ns, table + AT_EVENT_TIME, 8);
    memcpy(&envelope->ingest_time_ns, table + AT_INGEST_TIME, 8);
    memcpy(&envelope->flags, table + AT_FLAGS, 4);
    envelope->kind = (enum event_kind)table[AT_KIND];
    envelope->status = (enum event_status)table[AT_STATUS];
    envelope->severity = (enum event_severity)table[AT_SEVERITY];
    envelope->tenant = own_text(bytes, AT_TENANT);
    envelope->entity = own_text(bytes, AT_ENTITY);
    envelope->run_id = own_text(bytes, AT_RUN_ID);
    envelope->message = own_text(bytes, AT_MESSAGE);
    envelope->source = own_text(bytes, AT_SOURCE);
    envelope->attributes_count = packed_count(own_text(bytes, AT_PACKED));
    if (is_rich(bytes)) {
        read_own_rare(bytes, envelope);
    } else {
        leave_rare_empty(bytes, envelope);
    }
}

/* Checked: nothing when the text does not fit. */
static bool find_own_text(struct slice bytes, uint32_t field, struct slice *text_out) {
    bool is_sound = check_vector(bytes, TABLE_AT + field, 1);
    *text_out = is_sound ? own_text(bytes, field) : slice_of(NULL, 0);
    return is_sound;
}

bool envelope_glance(struct slice bytes, struct envelope_glance *glance_out) {
    if (!has_own_shape(bytes)) {
        return false;
    }
    struct slice depends_on = {0};
    struct envelope_glance glance;
    const uint8_t *table = bytes.data + TABLE_AT;
    memcpy(&glance.event_key, table + AT_EVENT_KEY, 16);
    memcpy(&glance.entity_key, table + AT_ENTITY_KEY, 16);
    memcpy(&glance.flags, table + AT_FLAGS, 4);
    glance.kind = (enum event_kind)table[AT_KIND];
    glance.status = (enum event_status)table[AT_STATUS];
    bool is_sound = find_own_text(bytes, AT_TENANT, &glance.tenant) &&
                    find_own_text(bytes, AT_ENTITY, &glance.entity) &&
                    find_own_text(bytes, AT_MESSAGE, &glance.message) &&
                    (!is_rich(bytes) || find_own_text(bytes, AT_DEPENDS_ON, &depends_on)) &&
                    glance.tenant.size > 0 && glance.tenant.size <= TENANT_BYTES_MAX &&
                    glance.status < EVENT_STATUS_COUNT;
    if (is_sound) {
        glance.depends_on_count = (uint32_t)depends_on.size;
        *glance_out = glance;
    }
    return is_sound;
}

/* --- All envelopes --- */

static struct slice packed_of(const struct table_view *table) {
    return read_text(table, ENVELOPE_VT_PACKED);
}

static bool is_own_sound(struct slice bytes) {
    if (!has_own_shape(bytes)) {
        return false;
    }
    struct table_view own = own_table(bytes);
    return check_own(bytes) && packed_is_sound(own_text(bytes, AT_PACKED)) &&
           check_depends_on(&own) && check_meaning(&own);
}

struct status envelope_verify(struct slice bytes) {
    struct table_view table;
    if (is_own_sound(bytes)) {
        return status_ok();
    }
    if (bytes.size < 8 || bytes.size > ENVELOPE_BYTES_MAX ||
        memcmp(bytes.data + 4, ENVELOPE_FILE_IDENTIFIER, 4) != 0 ||
        !open_table(bytes, load_u32(bytes, 0), &table) || !check_scalars(&table) ||
        !check_texts(&table) || !check_attributes(&table) || !packed_is_sound(packed_of(&table)) ||
        !check_depends_on(&table) || !check_meaning(&table)) {
        return status_of(STATUS_CORRUPT);
    }
    return status_ok();
}

static void read_field(const struct table_view *table, uint32_t entry, void *value, size_t size) {
    uint32_t at = field_at(table, entry);
    if (at != 0) {
        memcpy(value, table->bytes.data + at, size);
    }
}

void envelope_read(struct slice bytes, struct envelope *envelope_out) {
    struct table_view table;
    if (has_own_shape(bytes)) {
        read_own(bytes, envelope_out);
        return;
    }
    ASSERT(open_table(bytes, load_u32(bytes, 0), &table));
    struct envelope envelope = {0};
    read_field(&table, ENVELOPE_VT_EVENT_KEY, &envelope.event_key, 16);
    read_field(&table, ENVELOPE_VT_FINGERPRINT, &envelope.fingerprint, 16);
    read_field(&table, ENVELOPE_VT_ENTITY_KEY, &envelope.entity_key, 16);
    read_field(&table, ENVELOPE_VT_TRACE_ID, &envelope.trace_id, 16);
    read_field(&table, ENVELOPE_VT_SPAN_ID, &envelope.span_id, 8);
    read_field(&table, ENVELOPE_VT_PARENT_SPAN_ID, &envelope.parent_span_id, 8);
    read_field(&table, ENVELOPE_VT_EVENT_TIME_NS, &envelope.event_time_ns, 8);
    read_field(&table, ENVELOPE_VT_INGEST_TIME_NS, &envelope.ingest_time_ns, 8);
    read_field(&table, ENVELOPE_VT_SCORE, &envelope.score, 8);
    read_field(&table, ENVELOPE_VT_FLAGS, &envelope.flags, 4);
    envelope.kind = (enum event_kind)read_u8(&table, ENVELOPE_VT_KIND);
    envelope.status = (enum event_status)read_u8(&table, ENVELOPE_VT_STATUS);
    envelope.severity = (enum event_severity)read_u8(&table, ENVELOPE_VT_SEVERITY);
    envelope.tenant = read_text(&table, ENVELOPE_VT_TENANT);
    envelope.entity = read_text(&table, ENVELOPE_VT_ENTITY);
    envelope.event_id = read_text(&table, ENVELOPE_VT_EVENT_ID);
    envelope.run_id = read_text(&table, ENVELOPE_VT_RUN_ID);
    envelope.error_class = read_text(&table, ENVELOPE_VT_ERROR_CLASS);
    envelope.message = read_text(&table, ENVELOPE_VT_MESSAGE);
    envelope.source = read_text(&table, ENVELOPE_VT_SOURCE);
    envelope.reason = read_text(&table, ENVELOPE_VT_REASON);
    envelope.raw = read_text(&table, ENVELOPE_VT_RAW);
    envelope.attributes_count = envelope_attributes(bytes).left;
    envelope.depends_on_count = read_vector(&table, ENVELOPE_VT_DEPENDS_ON).count;
    *envelope_out = envelope;
}

struct attribute_cursor envelope_attributes(struct slice bytes) {
    struct table_view table;
    ASSERT(open_table(bytes, load_u32(bytes, 0), &table));
    struct slice packed = packed_of(&table);
    if (packed.size > 0) {
        return (struct attribute_cursor){
            .packed = slice_tail(packed, PACKED_COUNT_BYTES),
            .left = packed_count(packed),
        };
    }
    struct vector_view vector = read_vector(&table, ENVELOPE_VT_ATTRIBUTES);
    return (struct attribute_cursor){
        .bytes = bytes,
        .entry = vector.first,
        .left = vector.count,
    };
}

static struct attribute read_attribute(struct slice bytes, uint32_t entry) {
    struct table_view attribute;
    ASSERT(open_table(bytes, (uint64_t)entry + load_u32(bytes, entry), &attribute));
    return (struct attribute){
        .key = read_text(&attribute, ATTRIBUTE_VT_KEY),
        .value = read_text(&attribute, ATTRIBUTE_VT_VALUE),
        .type = (enum attribute_type)read_u8(&attribute, ATTRIBUTE_VT_TYPE),
    };
}

bool attribute_cursor_next(struct attribute_cursor *cursor, struct attribute *attribute_out) {
    if (cursor->left == 0) {
        return false;
    }
    cursor->left--;
    if (cursor->bytes.size == 0) {
        ASSERT(packed_take(&cursor->packed, attribute_out));
        return true;
    }
    *attribute_out = read_attribute(cursor->bytes, cursor->entry);
    cursor->entry += 4;
    return true;
}

struct slice envelope_depends_on_at(struct slice bytes, uint32_t index) {
    struct table_view table;
    ASSERT(open_table(bytes, load_u32(bytes, 0), &table));
    struct vector_view vector = read_vector(&table, ENVELOPE_VT_DEPENDS_ON);
    ASSERT(index < vector.count);
    uint32_t entry = vector.first + 4 * index;
    uint32_t text = entry + load_u32(bytes, entry);
    return slice_of(bytes.data + text + 4, load_u32(bytes, text));
}
