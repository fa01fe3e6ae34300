/* silences.c - see silences.h. */
#include "engine/silences.h"

#include "core/base/assert.h"

struct status silences_init(struct silences *silences, struct arena *arena) {
    *silences = (struct silences){0};
    silences->items = ARENA_ARRAY(arena, struct policy_silence, SILENCES_MAX);
    silences->slots_of = ARENA_ARRAY(arena, uint32_t, SILENCES_MAX);
    silences->slots = ARENA_ARRAY(arena, struct silence_slot, SILENCES_MAX);
    bool is_made = silences->items != NULL && silences->slots_of != NULL && silences->slots != NULL;
    return is_made ? status_ok() : status_of(STATUS_FULL);
}

size_t silence_key(struct slice tenant, struct hash128 id, uint8_t key[SILENCE_KEY_BYTES_MAX]) {
    struct writer writer = writer_over(key, SILENCE_KEY_BYTES_MAX);
    writer_bytes(&writer, tenant);
    writer_u8(&writer, 0);
    writer_hash128(&writer, id);
    ASSERT(!writer.failed);
    return writer.size;
}

static struct slice key_at(const struct silences *silences, uint32_t index) {
    const struct silence_slot *slot = &silences->slots[silences->slots_of[index]];
    return slice_of(slot->key, slot->key_size);
}

/* The first that is not before the key. */
static uint32_t find_place(const struct silences *silences, struct slice key) {
    uint32_t index = 0;
    while (index < silences->count && slice_compare(key_at(silences, index), key) < 0) {
        index++;
    }
    return index;
}

static void remove_at(struct silences *silences, uint32_t index) {
    ASSERT(index < silences->count);
    silences->slots[silences->slots_of[index]].is_used = false;
    silences->count--;
    uint32_t behind = silences->count - index;
    memmove(&silences->items[index], &silences->items[index + 1],
            behind * sizeof(*silences->items));
    memmove(&silences->slots_of[index], &silences->slots_of[index + 1],
            behind * sizeof(*silences->slots_of));
}

static struct status read_slot(const struct silence_slot *slot, struct slice key,
                               struct slice value, struct policy_silence *silence_out) {
    struct reader reader = reader_over(slice_of(slot->value, value.size));
    struct policy_silence silence = policy_silence_read(&reader);
    struct reader id = reader_over(slice_tail(slice_of(slot->key, key.size), key.size - 16));
    if (reader.failed || reader_left(&reader) != 0) {
        return status_of(STATUS_CORRUPT);
    }
    silence.tenant = slice_of(slot->key, key.size - 17);
    silence.id = reader_hash128(&id);
    *silence_out = silence;
    return status_ok();
}

struct status silences_put(struct silences *silences, struct slice key, struct slice value) {
    if (key.size <= 17 || key.size > SILENCE_KEY_BYTES_MAX || value.size > SILENCE_BYTES_MAX) {
        return status_of(STATUS_CORRUPT);
    }
    if (silences->count == SILENCES_MAX) {
        return status_of(STATUS_FULL);
    }
    uint32_t number = 0;
    while (silences->slots[number].is_used) {
        number++;
    }
    struct silence_slot *slot = &silences->slots[number];
    struct policy_silence silence;
    memcpy(slot->key, key.data, key.size);
    memcpy(slot->value, value.data, value.size);
    slot->key_size = key.size;
    TRY(read_slot(slot, key, value, &silence));
    (void)!status_is_ok(silences_remove(silences, key)); /* said again */
    uint32_t index = find_place(silences, key);
    uint32_t behind = silences->count - index;
    memmove(&silences->items[index + 1], &silences->items[index],
            behind * sizeof(*silences->items));
    memmove(&silences->slots_of[index + 1], &silences->slots_of[index],
            behind * sizeof(*silences->slots_of));
    slot->is_used = true;
    silences->items[index] = silence;
    silences->slots_of[index] = number;
    silences->count++;
    return status_ok();
}

struct status silences_remove(struct silences *silences, struct slice key) {
    uint32_t index = find_place(silences, key);
    if (index == silences->count || !slice_equals(key_at(silences, index), key)) {
        return status_of(STATUS_MISSING);
    }
    remove_at(silences, index);
    return status_ok();
}

void silences_expire(struct silences *silences, uint64_t now_ns, struct effects *effects) {
    for (uint32_t i = silences->count; i > 0; i--) {
        if (silences->items[i - 1].end_ns <= now_ns) {
            effect_delete(effects, STORE_TABLE_SILENCE, key_at(silences, i - 1));
            remove_at(silences, i - 1);
        }
    }
}

struct hash128 silences_digest(const struct silences *silences) {
    struct hash128 digest = {.lo = silences->count};
    for (uint32_t i = 0; i < silences->count; i++) {
        digest = hash128_combine(digest, hash128_of(key_at(silences, i), 0));
    }
    return digest;
}
