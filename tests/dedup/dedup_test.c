#include "dedup/dedup.h"

#include "core/base/limits.h"
#include "tests/base/unit.h"

#define START (UINT64_C(1795000000) * NS_PER_S)
#define WINDOW (600 * NS_PER_S)
#define MAX_WINDOW (3600 * NS_PER_S)

struct room {
    struct arena arena;
    struct dedup *dedup;
    struct effects effects;
};

static void room_init(struct room *room, uint32_t keys_max) {
    assert_status(arena_init(&room->arena, 64 * MIB), OK);
    struct dedup_options options = {.keys_max = keys_max};
    assert_status(dedup_init(&room->dedup, &options, &room->arena), OK);
    assert_status(effects_init(&room->effects, 16 * MIB, &room->arena), OK);
}

static struct hash128 key_of(uint64_t number) {
    return hash128_of(slice_of(&number, sizeof(number)), 7);
}

static struct dedup_answer admit(struct room *room, uint64_t number, uint64_t at_ns) {
    return dedup_admit(room->dedup, key_of(number), key_of(1000 + number % 5), START + at_ns,
                       &(struct dedup_rule){WINDOW, MAX_WINDOW, 0, 0});
}

static struct dedup_answer admit_of(struct room *room, uint32_t tenant, uint64_t number,
                                    uint64_t at_ns) {
    const struct dedup_rule rule = {WINDOW, MAX_WINDOW, tenant, 3};
    return dedup_admit(room->dedup, key_of(number), key_of(1000 + number), START + at_ns, &rule);
}

static void repeats_count_and_the_window_slides(void **state) {
    struct room room;
    room_init(&room, 16);
    assert_true(admit(&room, 1, 0).passes);
    assert_false(admit(&room, 1, WINDOW - 1).passes);
    struct dedup_answer answer = admit(&room, 1, 2 * WINDOW - 2);
    assert_false(answer.passes);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.first_seen_ns, START);
    answer = admit(&room, 1, 3 * WINDOW - 2); /* exactly at expiry */
    assert_true(answer.passes);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.first_seen_ns, START + 3 * WINDOW - 2);
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
    assert_int_equal(dedup_next_due_ns(room.dedup), START + 5 * NS_PER_S + WINDOW);
    arena_deinit(&room.arena);
}

static void forgetting_an_entity_makes_its_news_new_and_leaves_others(void **state) {
    struct room room;
    room_init(&room, 64);
    for (uint64_t i = 0; i < 20; i++) {
        assert_true(admit(&room, i, 0).passes);
    }
    dedup_forget_entity(room.dedup, key_of(1003));
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
    assert_true(admit(&room, 4, 4 * NS_PER_S).passes);
    assert_int_equal(dedup_count(room.dedup), 3);
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
    dedup_forget_entity(room.dedup, key_of(1000)); /* one recovers: there is room */
    assert_true(admit_of(&room, 7, 3, 8).passes);
    assert_false(admit_of(&room, 7, 3, 9).passes);
    dedup_advance(room.dedup, START + MAX_WINDOW);
    assert_true(admit_of(&room, 7, 5, MAX_WINDOW).passes);
    assert_false(admit_of(&room, 7, 5, MAX_WINDOW + 1).passes);
    arena_deinit(&room.arena);
}

/* 48 bytes: without a tenant. */
static void rows_of_before_the_tenant_are_read(void **state) {
    struct room room;
    room_init(&room, 16);
    assert_true(admit(&room, 1, 0).passes);
    assert_true(dedup_emit(room.dedup, &room.effects));
    struct effects_cursor cursor = effects_begin(&room.effects);
    struct effect effect;
    assert_true(effects_next(&cursor, &effect));
    struct room other;
    room_init(&other, 16);
    assert_status(dedup_restore(other.dedup, effect.key, slice_head(effect.value, 48)), OK);
    assert_false(admit(&other, 1, 1).passes);
    dedup_forget_entity(other.dedup, key_of(1001));
    assert_true(admit(&other, 1, 2).passes);
    arena_deinit(&room.arena);
    arena_deinit(&other.arena);
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

static void act(struct room *room, uint64_t random, uint64_t now, bool *passes_out) {
    *passes_out = false;
    if (random % 32 == 0) {
        dedup_forget_entity(room->dedup, key_of(1000 + random / 32 % 5));
    } else if (random % 32 == 1) {
        dedup_advance(room->dedup, START + now);
    } else if (random % 32 < 8) { /* tenants at their limit */
        *passes_out =
            admit_of(room, 1 + (uint32_t)(random % 3), 300 + random / 32 % 30, now).passes;
    } else {
        *passes_out = admit(room, random / 32 % 300, now).passes;
    }
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
    for (uint32_t i = 0; i < rows.count; i++) {
        assert_status(dedup_restore(other.dedup, rows.keys[i], rows.values[i]), OK);
    }
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
    assert_status(dedup_restore(other.dedup, SLICE("short"), SLICE("row")), CORRUPT);
    arena_deinit(&room.arena);
    arena_deinit(&other.arena);
}

static void more_evictions_than_the_pool_holds_do_no_harm(void **state) {
    struct room room;
    room_init(&room, 4);
    for (uint64_t i = 0; i < 5000; i++) {
        assert_true(admit(&room, i, i).passes);
        if (i % 1300 == 0) {
            assert_true(dedup_emit(room.dedup, &room.effects));
        }
    }
    assert_int_equal(dedup_count(room.dedup), 4);
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
        cmocka_unit_test(rows_of_before_the_tenant_are_read),
        cmocka_unit_test(rows_restore_the_same_state_and_the_same_future),
        cmocka_unit_test(more_evictions_than_the_pool_holds_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
