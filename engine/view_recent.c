/* view_recent.c - see view_recent.h. */
#include "engine/view_recent.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/reader.h"

enum { KEY_BYTES_MAX = TENANT_BYTES_MAX + 1 + VIEW_PLACE_BYTES, HEADS_MIN = 64 };

struct status view_recent_tenant(struct slice key, struct slice *tenant_out) {
    if (key.size < 1 + VIEW_PLACE_BYTES || key.size > KEY_BYTES_MAX ||
        key.data[key.size - VIEW_PLACE_BYTES - 1] != 0) {
        return status_of(STATUS_CORRUPT);
    }
    *tenant_out = slice_head(key, key.size - VIEW_PLACE_BYTES - 1);
    return status_ok();
}

/* --- Keys --- */

/* The first key at or behind `start` that begins with `prefix`. END */
static struct status seek(struct store_snapshot *snapshot, struct slice prefix, struct slice start,
                          struct slice *key_out) {
    struct store_cursor *cursor = NULL;
    struct slice value;
    TRY(store_cursor_open(snapshot, STORE_TABLE_RECENT, prefix, start, &cursor));
    struct status status = store_cursor_next(cursor, key_out, &value);
    store_cursor_close(cursor);
    return status;
}

/* The tenant's first key behind the place. END */
static struct status seek_behind(struct store_snapshot *snapshot, struct slice tenant,
                                 struct slice place, struct slice *key_out) {
    uint8_t memory[KEY_BYTES_MAX + 1];
    struct writer writer = writer_over(memory, sizeof(memory));
    writer_bytes(&writer, tenant);
    writer_u8(&writer, 0);
    struct slice prefix = writer_slice(&writer);
    writer_bytes(&writer, place);
    writer_u8(&writer, 0); /* what follows the key of that place itself */
    ASSERT(!writer.failed);
    return seek(snapshot, prefix, writer_slice(&writer), key_out);
}

/* The first key of the tenant that comes next by name. END */
static struct status seek_next_tenant(struct store_snapshot *snapshot, struct slice tenant,
                                      struct slice *key_out) {
    uint8_t memory[TENANT_BYTES_MAX + 1];
    struct writer writer = writer_over(memory, sizeof(memory));
    writer_bytes(&writer, tenant);
    writer_u8(&writer, 1); /* all keys of the tenant have a 0 there */
    ASSERT(!writer.failed);
    return seek(snapshot, slice_of(NULL, 0), writer_slice(&writer), key_out);
}

static struct slice place_of(struct slice key) {
    return slice_tail(key, key.size - VIEW_PLACE_BYTES);
}

/* --- The heap --- */

static bool is_before(struct slice left, struct slice right) {
    return slice_compare(place_of(left), place_of(right)) < 0;
}

static void sift_down(struct view_recent *recent) {
    struct slice moved = recent->heads[0];
    uint32_t at = 0;
    for (uint32_t child = 1; child < recent->heads_count; child = 2 * at + 1) {
        bool has_other = child + 1 < recent->heads_count;
        child += has_other && is_before(recent->heads[child + 1], recent->heads[child]) ? 1 : 0;
        if (!is_before(recent->heads[child], moved)) {
            break;
        }
        recent->heads[at] = recent->heads[child];
        at = child;
    }
    recent->heads[at] = moved;
}

static struct status push(struct view_recent *recent, struct slice key) {
    if (recent->heads_count == recent->heads_capacity) {
        uint32_t capacity = recent->heads_capacity == 0 ? HEADS_MIN : recent->heads_capacity * 2;
        struct slice *heads = realloc(recent->heads, capacity * sizeof(*heads));
        if (heads == NULL) {
            return status_of(STATUS_FULL);
        }
        recent->heads = heads;
        recent->heads_capacity = capacity;
    }
    uint32_t at = recent->heads_count++;
    while (at > 0 && is_before(key, recent->heads[(at - 1) / 2])) {
        recent->heads[at] = recent->heads[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    recent->heads[at] = key;
    return status_ok();
}

/* --- The list --- */

static struct status add_tenant(struct view_recent *recent, struct slice first_key,
                                struct slice tenant, struct slice place) {
    struct slice key = first_key;
    struct slice owner;
    if (place.size > 0) {
        struct status status = seek_behind(recent->snapshot, tenant, place, &key);
        if (status.code == STATUS_END) {
            return status_ok();
        }
        TRY(status);
        TRY(view_recent_tenant(key, &owner));
    }
    return push(recent, key);
}

struct status view_recent_init(struct view_recent *recent, struct store_snapshot *snapshot,
                               struct slice place) {
    struct slice key;
    *recent = (struct view_recent){.snapshot = snapshot};
    ASSERT(place.size == 0 || place.size == VIEW_PLACE_BYTES);
    struct status status = seek(snapshot, slice_of(NULL, 0), slice_of(NULL, 0), &key);
    while (status_is_ok(status)) {
        struct slice tenant;
        TRY(view_recent_tenant(key, &tenant));
        TRY(add_tenant(recent, key, tenant, place));
        status = seek_next_tenant(snapshot, tenant, &key);
    }
    return status.code == STATUS_END ? status_ok() : status;
}

void view_recent_deinit(struct view_recent *recent) {
    free(recent->heads);
    *recent = (struct view_recent){0};
}

struct status view_recent_next(struct view_recent *recent, struct slice *key_out) {
    if (recent->heads_count == 0) {
        return status_of(STATUS_END);
    }
    struct slice given = recent->heads[0];
    struct slice tenant;
    struct slice key;
    struct slice owner;
    TRY(view_recent_tenant(given, &tenant));
    struct status status = seek_behind(recent->snapshot, tenant, place_of(given), &key);
    if (status.code == STATUS_END) {
        recent->heads[0] = recent->heads[--recent->heads_count];
    } else {
        TRY(status);
        TRY(view_recent_tenant(key, &owner));
        recent->heads[0] = key;
    }
    sift_down(recent);
    *key_out = given;
    return status_ok();
}
