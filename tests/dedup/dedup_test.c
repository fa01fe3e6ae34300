#include "dedup/dedup.h"

#include "core/base/limits.h"
#include "tests/base/unit.h"

#define START (UINT64_C(1795000000) * NS_PER_S)
#define WINDOW (600 * NS_PER_S)
#define MAX_WINDOW (3600 * NS_PER_S)

enum { ENTITIES_MAX = 2000 };

struct room {
    struct arena arena;
    struct dedup *dedup;
    struct effects effects;
};

static void room_init(struct room *room, uint32_t keys_max) {
    assert_status(arena_init(&room->arena, 64 * MIB), OK);
    struct dedup_options options = {.keys_max = keys_max, .entities_max = ENTITIES_MAX};
    assert_status(dedup_init(&room->dedup, &options, &room->arena), OK);
    assert_status(effects_init(&room->effects, 16 * MIB, &room->arena), OK);
}

static struct hash128 key_of(uint64_t number) {
    return hash128_of(slice_of(&number, sizeof(number)), 7);
}

static struct dedup_answer admit(struct room *room, uint64_t number, uint64_t at_ns) {
    return dedup_admit(room->dedup, key_of(number), 1000 + (uint32_t)number % 5, START + at_ns,
                       &(struct dedup_rule){WINDOW, MAX_WINDOW, 0, 0});
}

static struct dedup_answer admit_of(struct room *room, uint32_t tenant, uint64_t number,
                                    uint64_t at_ns) {
    const struct dedup_rule rule = {WINDOW, MAX_WINDOW, tenant, 3};
    return dedup_admit(room->dedup, key_of(number), 1000 + (uint32_t)number, START + at_ns, &rule);
}

static void repeats_count_and_the_window_slides(void **state) {
    struct room room;
    room_init(&room, 16);
    assert_true(admit(&room, 1, 0).passes);
    assert_false(admit(&room, 1, WINDOW - NS_PER_MS).passes);
    struct dedup_answer answer = admit(&room, 1, 2 * WINDOW - NS_PER_MS - 1);
    assert_false(answer.passes);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.first_seen_ns, START);
    answer = admit(&room, 1, 3 * WINDOW - 2 * NS_PER_MS); /* exactly at expiry */
    assert_true(answer.passes);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.first_seen_ns, START + 3 * WINDOW - 2 * NS_PER_MS);
    arena_deinit(&room.arena);
}

static void a_window_of_nothing_lets_all_pass(void **state) {
    struct room room;
    room_init(&room, 16);
    const struct dedup_rule rule = {0, MAX_WINDOW, 0, 0};
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(dedup_admit(room.dedup, key_of(1), 1, START + i, &rule).passes);
    }
    dedup_advance(room.dedup, START + 10);
    assert_int_equal(dedup_count(room.dedup), 0);
    arena_deinit(&room.arena);
}

/* A new configuration counts from the next repeat on, in both directions. */
static void a_window_that_changes_is_kept_from_the_next_repeat_on(void **state) {
    struct room room;
    room_init(&room, 16);
    const struct dedup_rule narrow = {NS_PER_S, NS_PER_S, 0, 0};
    const struct dedup_rule wide = {UINT64_MAX, UINT64_MAX, 0, 0};
    assert_true(admit(&room, 1, 0).passes);
    assert_true(admit(&room, 2, 0).passes);
    assert_false(dedup_admit(room.dedup, key_of(1), 1, START + 1, &narrow).passes);
    assert_false(dedup_admit(room.dedup, key_of(2), 2, START + 1, &wide).passes);
    dedup_advance(room.dedup, START + NS_PER_S - 1);
    assert_int_equal(dedup_count(room.dedup), 2);
    dedup_advance(room.dedup, START + NS_PER_S);
    assert_int_equal(dedup_count(room.dedup), 1);
    dedup_advance(room.dedup, START + DEDUP_WINDOW_NS_MAX);
    assert_int_equal(dedup_count(room.dedup), 1);
    dedup_advance(room.dedup, START + DEDUP_WINDOW_NS_MAX + NS_PER_DAY);
    assert_int_equal(dedup_count(room.dedup), 0);
    arena_deinit(&room.arena);
}

static void the_window_never_passes_its_maximum(void **state) {
    struct room room;
    room_init(&room, 16);
    assert_true(admit(&room, 1, 0).passes);
    for (uint64_t at = NS_PER_S; at < MAX_WINDOW; at += NS_PER_S) {
        assert_false(admit(&room, 1, at).passes);
    }
    assert_true(admit(&room, 1, MAX_WINDOW).passes);
    arena_deinit(&room.arena);
}

static void a_stamp_that_goes_back_is_a_repeat(void **state) {
    struct room room;
    room_init(&room, 16);
    assert_true(admit(&room, 1, 5 * NS_PER_S).passes);
    assert_false(admit(&room, 1, 5 * NS_PER_S).passes);
    assert_false(admit(&room, 1, 0).passes);
    dedup_advance(room.dedup, START);
    dedup_advance(room.dedup, START + 5 * NS_PER_S + WINDOW - 1);
    assert_int_equal(dedup_count(room.dedup), 1);
    dedup_advance(room.dedup, START + 5 * NS_PER_S + WINDOW);
    assert_int_equal(dedup_count(room.dedup), 0);
    arena_deinit(&room.arena);
}

static void forgetting_an_entity_makes_its_news_new_and_leaves_others(void **state) {
    struct room room;
    room_init(&room, 64);
    for (uint64_t i = 0; i < 20; i++) {
        assert_true(admit(&room, i, 0).passes);
    }
    dedup_forget_entity(room.dedup, 1003);
    assert_int_equal(dedup_count(room.dedup), 16);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(admit(&room, i, 1).passes, i % 5 == 3);
    }
    arena_deinit(&room.arena);
}

static void when_full_the_next_to_expire_makes_room(void **state) {
    struct room room;
    room_init(&room, 3);
    assert_true(admit(&room, 1, 0).passes);
    assert_true(admit(&room, 2, NS_PER_S).passes);
    assert_true(admit(&room, 3, 2 * NS_PER_S).passes);
    assert_false(admit(&room, 1, 3 * NS_PER_S).passes);
    assert_int_equal(dedup_evicted_count(room.dedup), 0);
    assert_true(admit(&room, 4, 4 * NS_PER_S).passes);
    assert_int_equal(dedup_count(room.dedup), 3);
    assert_int_equal(dedup_evicted_count(room.dedup), 1);
    assert_false(admit(&room, 1, 5 * NS_PER_S).passes);
    assert_false(admit(&room, 3, 5 * NS_PER_S).passes);
    assert_true(admit(&room, 2, 5 * NS_PER_S).passes);
    arena_deinit(&room.arena);
}

static void a_tenant_at_its_limit_takes_no_other_tenants_place(void **state) {
    struct room room;
    room_init(&room, 16);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(admit_of(&room, 7, i, i).passes);
    }
    assert_true(admit_of(&room, 7, 3, 3).passes); /* news, and again: it is not remembered */
    assert_true(admit_of(&room, 7, 3, 4).passes);
    assert_int_equal(dedup_unremembered_count(room.dedup), 2);
    assert_int_equal(dedup_count(room.dedup), 3);
    assert_false(admit_of(&room, 7, 0, 5).passes); /* what was remembered still is */
    assert_true(admit_of(&room, 8, 4, 6).passes);  /* others feel nothing */
    assert_false(admit_of(&room, 8, 4, 7).passes);
    dedup_forget_entity(room.dedup, 1000); /* one recovers: there is room */
    assert_true(admit_of(&room, 7, 3, 8).passes);
    assert_false(admit_of(&room, 7, 3, 9).passes);
    dedup_advance(room.dedup, START + MAX_WINDOW);
    assert_true(admit_of(&room, 7, 5, MAX_WINDOW).passes);
    assert_false(admit_of(&room, 7, 5, MAX_WINDOW + 1).passes);
    arena_deinit(&room.arena);
}

/* --- Rows of a former format: fingerprint -> instants, count, the entity's key, tenant --- */

static uint32_t entity_of(const void *context, struct hash128 entity_key) {
    assert_null(context);
    return hash128_equals(entity_key, key_of(1001)) ? 1001 : DEDUP_ENTITY_NONE;
}

static struct status restore_old(struct room *room, uint64_t number, struct hash128 entity_key,
                                 size_t bytes) {
    uint8_t key_bytes[16];
    uint8_t row_bytes[56];
    struct writer key = writer_over(key_bytes, sizeof(key_bytes));
    struct writer row = writer_over(row_bytes, sizeof(row_bytes));
    writer_hash128(&key, key_of(number));
    writer_u64(&row, START);
    writer_u64(&row, START + NS_PER_S);
    writer_u64(&row, START + NS_PER_S + WINDOW);
    writer_u64(&row, 3);
    writer_hash128(&row, entity_key);
    writer_u32(&row, 7);
    writer_u32(&row, 0);
    return dedup_restore_old(room->dedup, writer_slice(&key), slice_of(row_bytes, bytes), entity_of,
                             NULL);
}

static void rows_of_before_the_numbers_are_read(void **state) {
    struct room room;
    room_init(&room, 16);
    assert_status(restore_old(&room, 1, key_of(1001), 56), OK);
    assert_status(restore_old(&room, 2, key_of(1001), 48), OK); /* the oldest: without a tenant */
    assert_status(restore_old(&room, 3, key_of(5), 56), OK);    /* of an entity that is not known */
    assert_status(restore_old(&room, 1, key_of(1001), 56), OK); /* there already */
    assert_status(restore_old(&room, 4, key_of(1001), 47), CORRUPT);
    assert_int_equal(dedup_count(room.dedup), 3);
    struct dedup_answer answer = admit_of(&room, 7, 1, 2 * NS_PER_S);
    assert_false(answer.passes);
    assert_int_equal(answer.count, 4);
    assert_int_equal(answer.first_seen_ns, START);
    assert_false(admit_of(&room, 7, 3, 2 * NS_PER_S).passes);
    assert_true(admit_of(&room, 7, 9, 2 * NS_PER_S).passes); /* the tenant's third of three */
    assert_true(admit_of(&room, 7, 10, 2 * NS_PER_S).passes);
    assert_int_equal(dedup_unremembered_count(room.dedup), 1);
    dedup_forget_entity(room.dedup, 1001);
    assert_int_equal(dedup_count(room.dedup), 2);
    dedup_advance(room.dedup, START + NS_PER_HOUR);
    assert_int_equal(dedup_count(room.dedup), 0);
    arena_deinit(&room.arena);
}

/* The store: the last effect on a key counts. Small, so a list will do. */
struct rows {
    struct slice keys[4096];
    struct slice values[4096];
    uint32_t count;
};

static void take_effects(struct rows *rows, struct effects *effects, struct arena *arena) {
    struct effects_cursor cursor = effects_begin(effects);
    struct effect effect;
    while (effects_next(&cursor, &effect)) {
        uint32_t i = 0;
        while (i < rows->count && !slice_equals(rows->keys[i], effect.key)) {
            i++;
        }
        if (effect.kind == EFFECT_DELETE) {
            assert_true(i < rows->count); /* a delete always has its row */
            rows->keys[i] = rows->keys[--rows->count];
            rows->values[i] = rows->values[rows->count];
            continue;
        }
        rows->count += i == rows->count;
        assert_true(rows->count < 4096);
        assert_status(arena_copy(arena, effect.key, &rows->keys[i]), OK);
        assert_status(arena_copy(arena, effect.value, &rows->values[i]), OK);
    }
    effects_clear(effects);
}

/* In key order, as the store gives them. */
static void restore(struct room *room, const struct rows *rows) {
    struct slice last = {0};
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t next = UINT32_MAX;
        for (uint32_t k = 0; k < rows->count; k++) {
            bool is_behind = i == 0 || slice_compare(rows->keys[k], last) > 0;
            if (is_behind &&
                (next == UINT32_MAX || slice_compare(rows->keys[k], rows->keys[next]) < 0)) {
                next = k;
            }
        }
        last = rows->keys[next];
        assert_status(dedup_restore(room->dedup, last, rows->values[next]), OK);
    }
}

static void act(struct room *room, uint64_t random, uint64_t now, bool *passes_out) {
    *passes_out = false;
    if (random % 32 == 0) {
        dedup_forget_entity(room->dedup, 1000 + (uint32_t)(random / 32 % 5));
    } else if (random % 32 == 1) {
        dedup_advance(room->dedup, START + now);
    } else if (random % 32 < 8) { /* tenants at their limit */
        *passes_out =
            admit_of(room, 1 + (uint32_t)(random % 3), 300 + random / 32 % 30, now).passes;
    } else {
        *passes_out = admit(room, random / 32 % 300, now).passes;
    }
}

static void assert_same_effects(const struct effects *a, const struct effects *b) {
    struct effects_cursor cursor_a = effects_begin(a);
    struct effects_cursor cursor_b = effects_begin(b);
    struct effect effect_a;
    struct effect effect_b;
    while (effects_next(&cursor_b, &effect_b)) {
        assert_true(effects_next(&cursor_a, &effect_a));
        assert_int_equal(effect_a.kind, effect_b.kind);
        assert_true(slice_equals(effect_a.key, effect_b.key));
        assert_true(slice_equals(effect_a.value, effect_b.value));
    }
    assert_false(effects_next(&cursor_a, &effect_a));
}

static void rows_restore_the_same_state_and_the_same_future(void **state) {
    struct room room;
    room_init(&room, 100);
    struct rows rows = {.count = 0};
    uint64_t random = 12345;
    uint64_t now = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        now += (random >> 40) * 100;
        bool passes;
        act(&room, random >> 33, now, &passes);
        if (i % 50 == 49) {
            assert_true(dedup_emit(room.dedup, &room.effects));
            take_effects(&rows, &room.effects, &room.arena);
            assert_int_equal(rows.count, dedup_count(room.dedup));
        }
    }
    struct room other;
    room_init(&other, 100);
    restore(&other, &rows);
    assert_true(hash128_equals(dedup_digest(room.dedup), dedup_digest(other.dedup)));
    for (uint32_t i = 0; i < 5000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        now += (random >> 40) * 100;
        bool passes;
        bool passes_other;
        act(&room, random >> 33, now, &passes);
        act(&other, random >> 33, now, &passes_other);
        assert_int_equal(passes, passes_other);
    }
    assert_true(hash128_equals(dedup_digest(room.dedup), dedup_digest(other.dedup)));
    effects_clear(&other.effects);
    assert_true(dedup_emit(room.dedup, &room.effects));
    assert_true(dedup_emit(other.dedup, &other.effects));
    assert_same_effects(&room.effects, &other.effects); /* row by row, under the same numbers */
    assert_status(dedup_restore(other.dedup, SLICE("short"), SLICE("row")), CORRUPT);
    arena_deinit(&room.arena);
    arena_deinit(&other.arena);
}

static void evictions_leave_no_row_behind(void **state) {
    struct room room;
    room_init(&room, 4);
    struct rows rows = {.count = 0};
    for (uint64_t i = 0; i < 5000; i++) {
        assert_true(admit(&room, i, i * NS_PER_MS).passes);
        if (i % 1300 == 0) {
            assert_true(dedup_emit(room.dedup, &room.effects));
            take_effects(&rows, &room.effects, &room.arena);
        }
    }
    assert_int_equal(dedup_count(room.dedup), 4);
    assert_int_equal(rows.count, 4);
    dedup_forget_entity(room.dedup, 1004);
    assert_true(dedup_emit(room.dedup, &room.effects));
    take_effects(&rows, &room.effects, &room.arena);
    assert_int_equal(rows.count, 3);
    dedup_advance(room.dedup, START + NS_PER_DAY);
    assert_true(dedup_emit(room.dedup, &room.effects));
    take_effects(&rows, &room.effects, &room.arena);
    assert_int_equal(rows.count, 0);
    arena_deinit(&room.arena);
}

static void a_new_key_takes_the_smallest_number_that_is_free(void **state) {
    struct room room;
    room_init(&room, 16);
    struct rows rows = {.count = 0};
    for (uint64_t i = 0; i < 10; i++) {
        assert_true(admit(&room, i, i).passes);
    }
    dedup_forget_entity(room.dedup, 1003); /* numbers 3 and 8 */
    assert_true(admit(&room, 11, 20).passes);
    assert_true(dedup_emit(room.dedup, &room.effects));
    take_effects(&rows, &room.effects, &room.arena);
    assert_int_equal(rows.count, 9);
    assert_int_equal(rows.keys[3].data[3], 3);
    struct hash128 fingerprint = key_of(11);
    assert_memory_equal(rows.values[3].data, &fingerprint, sizeof(fingerprint));
    arena_deinit(&room.arena);
}

/* Forty keys of which each fifth went: 32 rows, up to number 39. */
static void make_rows(struct room *room, struct rows *rows) {
    room_init(room, 40);
    for (uint64_t i = 0; i < 40; i++) {
        assert_true(admit(room, i, i * NS_PER_MS).passes);
    }
    dedup_forget_entity(room->dedup, 1000);
    assert_true(dedup_emit(room->dedup, &room->effects));
    take_effects(rows, &room->effects, &room->arena);
    assert_int_equal(rows->count, 32);
}

/* limits.dedup_keys was lowered: what has room lives on, and no row stays behind. */
static void rows_beyond_the_bound_find_room_or_go(void **state) {
    struct rows rows = {.count = 0};
    struct room room;
    struct room other;
    make_rows(&room, &rows);
    room_init(&other, 30);
    restore(&other, &rows);
    assert_int_equal(dedup_count(other.dedup), 30);
    assert_true(dedup_emit(other.dedup, &other.effects));
    struct effects_cursor cursor = effects_begin(&other.effects);
    struct effect effect;
    uint32_t deletes = 0;
    while (effects_next(&cursor, &effect)) {
        bool is_beyond = effect.key.data[3] >= 30;
        assert_int_equal(effect.kind, is_beyond ? EFFECT_DELETE : EFFECT_PUT);
        deletes += is_beyond ? 1 : 0;
    }
    assert_int_equal(deletes, 10);
    arena_deinit(&room.arena);
    arena_deinit(&other.arena);
}

/* The process died when they had new rows, and the old ones were not deleted yet. */
static void rows_beyond_the_bound_are_moved_once(void **state) {
    struct rows rows = {.count = 0};
    struct room room;
    struct room other;
    struct room third;
    make_rows(&room, &rows);
    room_init(&other, 32);
    restore(&other, &rows);
    assert_int_equal(dedup_count(other.dedup), 32);
    assert_true(dedup_emit(other.dedup, &other.effects));
    struct effects_cursor cursor = effects_begin(&other.effects);
    struct effect effect;
    while (effects_next(&cursor, &effect)) {
        if (effect.kind == EFFECT_PUT) {
            rows.keys[rows.count] = effect.key;
            rows.values[rows.count++] = effect.value;
        }
    }
    assert_int_equal(rows.count, 39);
    room_init(&third, 32);
    restore(&third, &rows);
    assert_true(hash128_equals(dedup_digest(other.dedup), dedup_digest(third.dedup)));
    assert_true(dedup_emit(third.dedup, &third.effects));
    assert_int_equal(third.effects.count, 8); /* deletes */
    arena_deinit(&room.arena);
    arena_deinit(&other.arena);
    arena_deinit(&third.arena);
}

/* Tens of thousands: the index splits its buckets, the sets have levels. */
static void many_keys_come_and_go(void **state) {
    enum { KEYS = 50000 };
    struct room room;
    room_init(&room, KEYS);
    for (uint64_t round = 0; round < 3; round++) {
        uint64_t at = round * MAX_WINDOW;
        dedup_advance(room.dedup, START + at);
        assert_int_equal(dedup_count(room.dedup), 0);
        for (uint64_t i = 0; i < KEYS; i++) {
            assert_true(admit(&room, round * KEYS / 2 + i, at + i * NS_PER_US).passes);
        }
        for (uint64_t i = 0; i < KEYS; i++) {
            assert_false(admit(&room, round * KEYS / 2 + i, at + NS_PER_S).passes);
        }
        assert_int_equal(dedup_count(room.dedup), KEYS);
        while (!dedup_emit(room.dedup, &room.effects)) {
            effects_clear(&room.effects);
        }
        effects_clear(&room.effects);
    }
    assert_true(admit(&room, 4 * KEYS, 2 * MAX_WINDOW + NS_PER_S).passes); /* full: one goes */
    assert_int_equal(dedup_count(room.dedup), KEYS);
    arena_deinit(&room.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_count_and_the_window_slides),
        cmocka_unit_test(the_window_never_passes_its_maximum),
        cmocka_unit_test(a_stamp_that_goes_back_is_a_repeat),
        cmocka_unit_test(forgetting_an_entity_makes_its_news_new_and_leaves_others),
        cmocka_unit_test(when_full_the_next_to_expire_makes_room),
        cmocka_unit_test(a_tenant_at_its_limit_takes_no_other_tenants_place),
        cmocka_unit_test(a_window_of_nothing_lets_all_pass),
        cmocka_unit_test(a_window_that_changes_is_kept_from_the_next_repeat_on),
        cmocka_unit_test(rows_of_before_the_numbers_are_read),
        cmocka_unit_test(rows_restore_the_same_state_and_the_same_future),
        cmocka_unit_test(evictions_leave_no_row_behind),
        cmocka_unit_test(a_new_key_takes_the_smallest_number_that_is_free),
        cmocka_unit_test(rows_beyond_the_bound_find_room_or_go),
        cmocka_unit_test(rows_beyond_the_bound_are_moved_once),
        cmocka_unit_test(many_keys_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
