#include "core/base/limits.h"
#include "dedup/dedup.h"
#include "tests/base/unit.h"

#define HORIZON NS_PER_HOUR

struct room {
    struct arena arena;
    struct event_ids *ids;
    struct effects effects;
};

static void room_init(struct room *room, uint32_t count_max) {
    assert_status(arena_init(&room->arena, 64 * MIB), OK);
    struct event_ids_options options = {.count_max = count_max};
    assert_status(event_ids_init(&room->ids, &options, &room->arena), OK);
    assert_status(effects_init(&room->effects, 4 * MIB, &room->arena), OK);
}

static struct hash128 key_of(uint64_t number) {
    return hash128_of(slice_of(&number, sizeof(number)), 7);
}

/* Admits [first, end) as one batch; how many were new. */
static uint32_t admit_range(struct room *room, uint64_t seq, uint64_t now, uint64_t first,
                            uint64_t end) {
    uint32_t count = 0;
    event_ids_begin_batch(room->ids, seq, now, HORIZON);
    for (uint64_t i = first; i < end; i++) {
        count += event_ids_admit(room->ids, key_of(i));
    }
    size_t before = effects_room(&room->effects);
    size_t bound = event_ids_effect_bytes(room->ids, (uint32_t)(end - first));
    event_ids_end_batch(room->ids, &room->effects);
    assert_true(before - effects_room(&room->effects) <= bound);
    return count;
}

static void an_id_passes_once_within_the_horizon(void **state) {
    struct room room;
    room_init(&room, 100);
    assert_int_equal(admit_range(&room, 1, 10, 0, 10), 10);
    assert_int_equal(admit_range(&room, 2, 20, 5, 15), 5);
    assert_int_equal(admit_range(&room, 3, 10 + HORIZON - 1, 0, 15), 0);
    assert_int_equal(admit_range(&room, 4, 10 + HORIZON, 0, 15), 10);
    assert_int_equal(event_ids_count(room.ids), 15);
    assert_int_equal(event_ids_evicted_count(room.ids), 0);
    arena_deinit(&room.arena);
}

static void when_full_the_oldest_batch_goes_and_is_counted(void **state) {
    struct room room;
    room_init(&room, 20);
    assert_int_equal(admit_range(&room, 1, 10, 0, 10), 10);
    assert_int_equal(admit_range(&room, 2, 10, 10, 20), 10);
    assert_int_equal(admit_range(&room, 3, 10, 20, 21), 1);
    assert_int_equal(event_ids_evicted_count(room.ids), 10);
    assert_int_equal(admit_range(&room, 4, 10, 10, 20), 0);
    assert_int_equal(admit_range(&room, 5, 10, 100, 150), 50); /* larger than everything */
    assert_true(event_ids_count(room.ids) <= 20);
    assert_int_equal(admit_range(&room, 6, 10, 149, 150), 0);
    arena_deinit(&room.arena);
}

static uint32_t restore_rows(struct room *from, struct room *to, uint64_t gone_seq) {
    struct effects_cursor cursor = effects_begin(&from->effects);
    struct effect effect;
    uint32_t deletes = 0;
    while (effects_next(&cursor, &effect)) {
        struct reader reader = reader_over(effect.key);
        uint64_t seq = reader_u64_big_endian(&reader);
        if (effect.kind == EFFECT_DELETE) {
            assert_int_equal(seq, gone_seq);
            deletes++;
        } else if (seq != gone_seq) {
            assert_status(event_ids_restore(to->ids, effect.key, effect.value, 0), OK);
        }
    }
    return deletes;
}

static void rows_restore_what_is_remembered(void **state) {
    struct room room;
    struct room other;
    room_init(&room, 100);
    room_init(&other, 100);
    (void)admit_range(&room, 1, 10, 0, 10);
    (void)admit_range(&room, 2, 20, 10, 30);
    (void)admit_range(&room, 3, 10 + HORIZON, 30, 40);
    assert_int_equal(restore_rows(&room, &other, 1), 1);
    assert_int_equal(event_ids_count(other.ids), event_ids_count(room.ids));
    assert_int_equal(admit_range(&other, 4, 11 + HORIZON, 0, 40), 10);
    assert_status(event_ids_restore(other.ids, SLICE("12345678"), SLICE("123456789"), 0), CORRUPT);
    assert_status(event_ids_restore(other.ids, SLICE("1234"), SLICE("12345678"), 0), CORRUPT);
    arena_deinit(&room.arena);
    arena_deinit(&other.arena);
}

/* Keys that crowd in few slots, forgotten in any mixture of expiry and eviction: the index says
 * what a plain list says. */
static void the_index_agrees_with_a_plain_list_of_crowded_keys(void **state) {
    enum { KEYS_MAX = 64, ROUNDS = 3000, BATCH_MAX = 40 };
    struct room room;
    struct hash128 alive[KEYS_MAX];
    uint32_t count = 0;
    uint64_t random = 88172645463325252U;
    (void)state;
    room_init(&room, KEYS_MAX);
    for (uint64_t seq = 1; seq <= ROUNDS; seq++) {
        event_ids_begin_batch(room.ids, seq, seq, UINT64_MAX); /* only eviction forgets */
        for (uint32_t i = 0; i < 1 + random % BATCH_MAX; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            /* Three homes at the end of the table, so that runs wrap; one tag for several keys. */
            struct hash128 key = {.lo = 125 + random % 3, .hi = (random >> 20) % 200};
            bool is_known = false;
            for (uint32_t k = 0; k < count; k++) {
                is_known = is_known || hash128_equals(alive[k], key);
            }
            assert_int_equal(event_ids_admit(room.ids, key), !is_known);
            uint32_t left = event_ids_count(room.ids);
            if (!is_known) {
                uint32_t gone = count + 1 - left; /* evicted, the oldest first */
                memmove(alive, alive + gone, (count - gone) * sizeof(alive[0]));
                count -= gone;
                alive[count++] = key;
            }
            assert_int_equal(left, count);
        }
        event_ids_end_batch(room.ids, &room.effects);
        effects_clear(&room.effects);
    }
    assert_true(event_ids_evicted_count(room.ids) > ROUNDS);
    arena_deinit(&room.arena);
}

static void an_index_that_grew_knows_what_it_knew(void **state) {
    enum { KEYS = 100000 };
    struct room room;
    (void)state;
    room_init(&room, KEYS);
    for (uint64_t first = 0; first < KEYS; first += 1000) {
        assert_int_equal(admit_range(&room, first + 1, 1, first, first + 1000), 1000);
        effects_clear(&room.effects);
    }
    for (uint64_t first = 0; first < KEYS; first += 1000) {
        assert_int_equal(admit_range(&room, KEYS + first, 1, first, first + 1000), 0);
        effects_clear(&room.effects);
    }
    assert_int_equal(event_ids_count(room.ids), KEYS);
    arena_deinit(&room.arena);
}

/* Keys move to a larger table while others come, come again, and expire. */
static void while_the_index_grows_it_knows_what_a_plain_list_knows(void **state) {
    enum { KEYS = 300000, BATCH = 50, LIVE_BATCHES = 800 };
    static uint64_t expires[KEYS];
    struct room room;
    uint64_t random = 88172645463325252U;
    uint64_t fresh = 0;
    (void)state;
    memset(expires, 0, sizeof(expires));
    room_init(&room, 100000);
    uint64_t now = 1;
    for (uint64_t seq = 1; fresh + BATCH < KEYS; seq++) {
        now += seq % 230 == 0 ? LIVE_BATCHES / 2 : 1; /* many go at once, also while keys move */
        event_ids_begin_batch(room.ids, seq, now, LIVE_BATCHES);
        for (int i = 0; i < BATCH; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            uint64_t back = (random >> 20) % 60000;
            uint64_t number = random % 4 != 0 ? fresh++ : back < fresh ? fresh - 1 - back : 0;
            event_ids_prefetch(room.ids, key_of(number));
            bool is_known = expires[number] > now;
            assert_int_equal(event_ids_admit(room.ids, key_of(number)), !is_known);
            expires[number] = is_known ? expires[number] : now + LIVE_BATCHES;
        }
        event_ids_end_batch(room.ids, &room.effects);
        effects_clear(&room.effects);
    }
    assert_int_equal(event_ids_evicted_count(room.ids), 0);
    arena_deinit(&room.arena);
}

/* As the engine asks, for a tenant with a horizon of its own. */
static bool admit_within(struct room *room, uint64_t number, uint64_t horizon) {
    return event_ids_admit(room->ids, key_of(number)) ||
           event_ids_admit_again(room->ids, key_of(number), horizon);
}

static void a_shorter_horizon_ends_before_the_longest(void **state) {
    struct room room;
    struct room other;
    room_init(&room, 100);
    room_init(&other, 100);
    (void)state;
    (void)admit_range(&room, 1, 10, 0, 10);
    (void)admit_range(&room, 2, 20, 10, 20);
    event_ids_begin_batch(room.ids, 3, 30, HORIZON);
    assert_false(admit_within(&room, 3, 21));
    assert_true(admit_within(&room, 3, 20));
    assert_false(admit_within(&room, 3, 0)); /* within a batch never */
    assert_false(admit_within(&room, 13, 20));
    assert_false(admit_within(&room, 4, HORIZON));
    event_ids_end_batch(room.ids, &room.effects);
    (void)restore_rows(&room, &other, 0);
    assert_int_equal(event_ids_count(other.ids), event_ids_count(room.ids));
    for (struct room *one = &room; one != NULL; one = one == &room ? &other : NULL) {
        event_ids_begin_batch(one->ids, 4, 49, HORIZON);
        assert_false(admit_within(one, 3, 20)); /* it began anew with batch 3 */
        assert_true(admit_within(one, 13, 20));
        event_ids_end_batch(one->ids, &one->effects);
        event_ids_begin_batch(one->ids, 5, 10 + HORIZON, HORIZON); /* forgets batch 1 */
        assert_false(event_ids_admit(one->ids, key_of(3)));
        assert_true(event_ids_admit(one->ids, key_of(4)));
        event_ids_end_batch(one->ids, &one->effects);
    }
    arena_deinit(&room.arena);
    arena_deinit(&other.arena);
}

static void a_row_of_the_former_format_is_known_until_it_expires(void **state) {
    uint8_t row[24];
    struct room room;
    struct writer writer = writer_over(row, sizeof(row));
    (void)state;
    room_init(&room, 100);
    writer_u64(&writer, 10 + HORIZON);
    writer_hash128(&writer, key_of(1));
    assert_status(event_ids_restore(room.ids, SLICE("12345678"), writer_slice(&writer), 0), OK);
    event_ids_begin_batch(room.ids, 2, 9 + HORIZON, HORIZON);
    assert_false(admit_within(&room, 1, 20));
    event_ids_end_batch(room.ids, &room.effects);
    event_ids_begin_batch(room.ids, 3, 10 + HORIZON, HORIZON);
    assert_true(event_ids_admit(room.ids, key_of(1)));
    event_ids_end_batch(room.ids, &room.effects);
    arena_deinit(&room.arena);
}

/* Keys of tenants with three horizons, while the index grows, moves and forgets. */
static void each_horizon_agrees_with_a_plain_list(void **state) {
    enum { KEYS = 300000, BATCH = 50, LIVE_BATCHES = 800 };
    static const uint64_t horizons[] = {LIVE_BATCHES, LIVE_BATCHES / 3, 7};
    static uint64_t began[KEYS];
    struct room room;
    uint64_t random = 88172645463325252U;
    uint64_t fresh = 0;
    uint64_t now = 1;
    (void)state;
    memset(began, 0, sizeof(began));
    room_init(&room, 100000);
    for (uint64_t seq = 1; fresh + BATCH < KEYS; seq++) {
        now += seq % 230 == 0 ? LIVE_BATCHES / 2 : 1;
        event_ids_begin_batch(room.ids, seq, now, LIVE_BATCHES);
        for (int i = 0; i < BATCH; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            uint64_t back = (random >> 20) % 30000;
            uint64_t asked = back < fresh ? fresh - 1 - back : 0; /* some of them often */
            uint64_t number = random % 4 != 0 ? fresh++ : asked - asked % 64;
            uint64_t horizon = horizons[number % 3];
            bool is_new = began[number] == 0 || began[number] + horizon <= now;
            assert_int_equal(admit_within(&room, number, horizon), is_new);
            began[number] = is_new ? now : began[number];
        }
        event_ids_end_batch(room.ids, &room.effects);
        effects_clear(&room.effects);
    }
    assert_int_equal(event_ids_evicted_count(room.ids), 0);
    arena_deinit(&room.arena);
}

/* So that another thread can have its pages made meanwhile. */
static void memory_is_told_before_it_is_used(void **state) {
    enum { KEYS = 300000 };
    struct room room;
    void *memory = NULL;
    size_t size = 0;
    size_t told = 0;
    (void)state;
    room_init(&room, KEYS);
    for (uint64_t first = 0; first < KEYS; first += 1000) {
        assert_int_equal(admit_range(&room, first + 1, 1, first, first + 1000), 1000);
        effects_clear(&room.effects);
        while (event_ids_next_memory(room.ids, &memory, &size)) {
            const uint8_t *bytes = memory;
            bool has_early_keys = first < 100000; /* some were there before it was worth it */
            assert_true(has_early_keys || bytes[size - 1] == 0);
            assert_true(has_early_keys || memcmp(bytes, bytes + 1, size - 1) == 0);
            told += size;
        }
    }
    assert_true(told >= 16 * (size_t)KEYS + 8 * (size_t)KEYS); /* keys, tables */
    arena_deinit(&room.arena);
}

static bool is_untouched(const uint8_t *bytes, size_t size) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Admits keys until memory is told; how many are there then. */
static uint64_t admit_until_told(struct room *room, void **memory, size_t *size) {
    uint64_t keys = 0;
    while (!event_ids_next_memory(room->ids, memory, size)) {
        assert_int_equal(admit_range(room, keys + 1, 1, keys, keys + 1), 1);
        effects_clear(&room->effects);
        keys++;
    }
    assert_true(is_untouched(*memory, *size));
    return keys;
}

static void a_larger_table_is_not_used_before_it_is_made(void **state) {
    struct room room;
    void *memory = NULL;
    void *more = NULL;
    size_t size = 0;
    size_t more_size = 0;
    (void)state;
    room_init(&room, 300000);
    uint64_t keys = admit_until_told(&room, &memory, &size);
    uint64_t full = keys / 3 * 4 + 1000; /* beyond what it takes when nothing is waited for */
    assert_int_equal(admit_range(&room, keys + 1, 1, keys, full), full - keys);
    assert_true(is_untouched(memory, size));
    effects_clear(&room.effects);
    assert_false(event_ids_next_memory(room.ids, &more, &more_size)); /* asked: it is made */
    assert_int_equal(admit_range(&room, full + 1, 1, full, full + 10), 10);
    assert_false(is_untouched(memory, size));
    arena_deinit(&room.arena);
}

static void a_table_that_is_never_made_is_used_at_last(void **state) {
    struct room room;
    void *memory = NULL;
    size_t size = 0;
    (void)state;
    room_init(&room, 300000);
    uint64_t keys = admit_until_told(&room, &memory, &size);
    assert_int_equal(admit_range(&room, keys + 1, 1, keys, 2 * keys), keys);
    assert_false(is_untouched(memory, size));
    effects_clear(&room.effects);
    assert_int_equal(admit_range(&room, 2 * keys + 1, 1, 0, 2 * keys), 0);
    arena_deinit(&room.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_passes_once_within_the_horizon),
        cmocka_unit_test(when_full_the_oldest_batch_goes_and_is_counted),
        cmocka_unit_test(rows_restore_what_is_remembered),
        cmocka_unit_test(an_index_that_grew_knows_what_it_knew),
        cmocka_unit_test(memory_is_told_before_it_is_used),
        cmocka_unit_test(a_larger_table_is_not_used_before_it_is_made),
        cmocka_unit_test(a_table_that_is_never_made_is_used_at_last),
        cmocka_unit_test(a_shorter_horizon_ends_before_the_longest),
        cmocka_unit_test(a_row_of_the_former_format_is_known_until_it_expires),
        cmocka_unit_test(each_horizon_agrees_with_a_plain_list),
        cmocka_unit_test(while_the_index_grows_it_knows_what_a_plain_list_knows),
        cmocka_unit_test(the_index_agrees_with_a_plain_list_of_crowded_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
