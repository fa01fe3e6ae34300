/* heads_test.c - which events of a record are read no further than their head. */
#include "engine/heads.h"

#include <stdlib.h>

#include "core/stream.h"
#include "schemas/envelope.h"
#include "tests/base/unit.h"

enum { ROOM = 64 * 1024, HEADS = 16 };

struct record {
    uint8_t memory[ROOM];
    struct batch batch;
    struct event_head items[HEADS];
};

static struct record *record_of(enum batch_kind kind) {
    static struct record record;
    batch_init(&record.batch, record.memory, sizeof(record.memory));
    batch_clear(&record.batch, kind);
    return &record;
}

/* A log that says nothing, or what the message says. */
static struct envelope quiet_log(const char *message) {
    return (struct envelope){.event_key = {1, 2},
                             .kind = EVENT_KIND_LOG,
                             .severity = EVENT_SEVERITY_INFO,
                             .tenant = SLICE("acme"),
                             .entity = SLICE("service:shop"),
                             .message = slice_of_text(message)};
}

static void add(struct record *record, struct envelope envelope) {
    struct writer writer = batch_entry_begin(&record->batch);
    assert_status(envelope_encode(&envelope, &writer), OK);
    batch_entry_commit(&record->batch, writer.size);
}

static struct event_heads make(struct record *record, uint32_t count_max, bool *is_broken_out) {
    struct batch_view view;
    struct slice bytes = batch_finish(&record->batch);
    assert_status(batch_open(bytes, &view), OK);
    struct event_heads heads = heads_make(bytes, &view, record->items, count_max);
    *is_broken_out = view.is_broken;
    return heads;
}

/* Traits of the envelope behind a quiet log of the same tenant. */
static uint32_t traits_behind_a_log(struct envelope envelope) {
    struct record *record = record_of(BATCH_EVENTS);
    bool is_broken = false;
    add(record, quiet_log("request handled"));
    add(record, envelope);
    struct event_heads heads = make(record, HEADS, &is_broken);
    assert_int_equal(heads.count, 2);
    assert_false(is_broken);
    return heads.items[1].traits;
}

static void a_log_that_says_nothing_is_quiet_and_remembered(void **state) {
    (void)state;
    assert_int_equal(traits_behind_a_log(quiet_log("request handled")),
                     EVENT_QUIET | EVENT_REMEMBERED);
    assert_int_equal(traits_behind_a_log(quiet_log("")), EVENT_QUIET | EVENT_REMEMBERED);
}

static void a_data_point_is_quiet_and_remembered_only_by_its_own_id(void **state) {
    (void)state;
    struct envelope point = quiet_log("");
    point.kind = EVENT_KIND_METRIC;
    assert_int_equal(traits_behind_a_log(point), EVENT_QUIET);
    point.flags = ENVELOPE_OWN_EVENT_ID;
    assert_int_equal(traits_behind_a_log(point), EVENT_QUIET | EVENT_REMEMBERED);
}

static void whatever_may_matter_is_not_quiet(void **state) {
    (void)state;
    struct slice upstream = SLICE("job:extract");
    static const uint32_t flags[] = {ENVELOPE_REFUSED, ENVELOPE_SIGNAL, ENVELOPE_GOOD,
                                     ENVELOPE_LEARNED};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct envelope one = quiet_log("request handled");
        one.flags = flags[i];
        assert_int_equal(traits_behind_a_log(one), 0);
    }
    struct envelope failed = quiet_log("request handled");
    failed.status = EVENT_STATUS_FAILED;
    assert_int_equal(traits_behind_a_log(failed), 0);
    struct envelope done = quiet_log("request handled");
    done.status = EVENT_STATUS_SUCCEEDED;
    assert_int_equal(traits_behind_a_log(done), 0);
    struct envelope dependent = quiet_log("request handled");
    dependent.depends_on = &upstream;
    dependent.depends_on_count = 1;
    assert_int_equal(traits_behind_a_log(dependent), 0);
    assert_int_equal(traits_behind_a_log(quiet_log("the queue is SLOW today")), 0);
    struct envelope foreign = quiet_log("request handled");
    foreign.tenant = SLICE("other");
    assert_int_equal(traits_behind_a_log(foreign), 0);
}

static void a_head_says_where_its_envelope_lies(void **state) {
    (void)state;
    struct record *record = record_of(BATCH_EVENTS);
    bool is_broken = false;
    struct envelope second = quiet_log("another message");
    second.event_key = (struct hash128){3, 4};
    add(record, quiet_log("request handled"));
    add(record, second);
    struct event_heads heads = make(record, HEADS, &is_broken);
    struct envelope read;
    struct slice bytes = slice_of(record->memory + heads.items[1].at, heads.items[1].size);
    assert_status(envelope_verify(bytes), OK);
    envelope_read(bytes, &read);
    assert_slice(read.message, "another message");
    assert_int_equal(heads.items[1].event_key.lo, 3);
    assert_int_equal(heads.items[1].event_key.hi, 4);
    assert_int_equal(heads.items[0].traits, 0); /* its tenant is known by no event before it */
}

static void what_is_no_envelope_of_ours_is_read_in_full_and_so_is_the_next(void **state) {
    (void)state;
    struct record *record = record_of(BATCH_EVENTS);
    bool is_broken = false;
    add(record, quiet_log("request handled"));
    assert_status(batch_add(&record->batch, SLICE("no envelope")), OK);
    add(record, quiet_log("request handled"));
    add(record, quiet_log("request handled"));
    struct event_heads heads = make(record, HEADS, &is_broken);
    assert_int_equal(heads.count, 4);
    assert_int_equal(heads.items[1].traits, 0);
    assert_int_equal(heads.items[2].traits, 0);
    assert_true(heads.items[3].traits != 0);
}

static void add_range(struct record *record, uint32_t envelopes) {
    struct stream_range range = {
        .name = {.cluster = SLICE("c"), .group = SLICE("g"), .topic = SLICE("t")},
        .to = {.offset = envelopes},
        .envelopes = envelopes,
    };
    struct writer writer = batch_entry_begin(&record->batch);
    stream_range_encode(&range, &writer);
    batch_entry_commit(&record->batch, writer.size);
}

static void behind_a_range_no_tenant_is_known(void **state) {
    (void)state;
    struct record *record = record_of(BATCH_STREAM);
    bool is_broken = false;
    add_range(record, 2);
    add(record, quiet_log("request handled"));
    add(record, quiet_log("request handled"));
    add_range(record, 1);
    add(record, quiet_log("request handled"));
    struct event_heads heads = make(record, HEADS, &is_broken);
    assert_int_equal(heads.count, 5);
    static const uint32_t traits[] = {0, 0, EVENT_QUIET | EVENT_REMEMBERED, 0, 0};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(heads.items[i].traits, traits[i]);
    }
}

static struct envelope good_job(void) {
    struct envelope envelope = quiet_log("done");
    envelope.kind = EVENT_KIND_JOB;
    envelope.status = EVENT_STATUS_SUCCEEDED;
    envelope.flags = ENVELOPE_GOOD | ENVELOPE_OWN_EVENT_ID;
    envelope.entity = SLICE("job:load");
    envelope.entity_key = (struct hash128){5, 6};
    return envelope;
}

static void good_news_that_end_trouble_are_well_and_say_whose_they_are(void **state) {
    (void)state;
    struct record *record = record_of(BATCH_EVENTS);
    struct slice upstream = SLICE("job:extract");
    bool is_broken = false;
    add(record, quiet_log("request handled"));
    add(record, good_job());
    struct event_heads heads = make(record, HEADS, &is_broken);
    assert_int_equal(heads.items[1].traits, EVENT_WELL | EVENT_REMEMBERED);
    assert_int_equal(heads.items[1].entity_key.lo, 5);
    assert_int_equal(heads.items[1].entity_key.hi, 6);
    struct envelope other = good_job();
    other.entity = SLICE("service:shop"); /* ends no trouble: a neutral one with a status */
    assert_int_equal(traits_behind_a_log(other), 0);
    other = good_job();
    other.kind = EVENT_KIND_ALERT;
    assert_int_equal(traits_behind_a_log(other), 0);
    other = good_job();
    other.depends_on = &upstream;
    other.depends_on_count = 1;
    assert_int_equal(traits_behind_a_log(other), 0);
    other = good_job();
    other.flags |= ENVELOPE_REFUSED;
    assert_int_equal(traits_behind_a_log(other), 0);
    other = good_job();
    other.tenant = SLICE("other");
    assert_int_equal(traits_behind_a_log(other), 0);
}

static void more_heads_than_there_is_room_for_break_the_record(void **state) {
    (void)state;
    struct record *record = record_of(BATCH_EVENTS);
    bool is_broken = false;
    for (int i = 0; i < 4; i++) {
        add(record, quiet_log("request handled"));
    }
    assert_int_equal(make(record, 3, &is_broken).count, 3);
    assert_true(is_broken);
}

static void a_block_gives_each_record_its_own_heads_in_order(void **state) {
    (void)state;
    struct arena arena = {0};
    struct block_heads block;
    struct event_heads heads;
    struct batch_view view;
    assert_status(arena_init(&arena, 64 * MIB), OK);
    assert_status(block_heads_init(&block, &arena), OK);
    static const uint32_t counts[] = {2, 0, 3};
    for (uint32_t i = 0; i < 3; i++) {
        struct record *record = record_of(counts[i] == 0 ? BATCH_TICK : BATCH_EVENTS);
        for (uint32_t k = 0; k < counts[i]; k++) {
            add(record, quiet_log("request handled"));
        }
        block_heads_add(&block, batch_finish(&record->batch));
    }
    block_heads_add(&block, SLICE("no record")); /* from here on they are made when they are due */
    view = (struct batch_view){.kind = BATCH_EVENTS, .count = 2};
    assert_true(block_heads_take(&block, &view, &heads));
    assert_ptr_equal(heads.items, block.items);
    view = (struct batch_view){.kind = BATCH_TICK};
    assert_true(block_heads_take(&block, &view, &heads));
    assert_int_equal(heads.count, 0);
    view = (struct batch_view){.kind = BATCH_EVENTS, .count = 3};
    assert_true(block_heads_take(&block, &view, &heads));
    assert_ptr_equal(heads.items, block.items + 2);
    assert_false(block_heads_take(&block, &view, &heads));
    block_heads_clear(&block);
    assert_false(block_heads_take(&block, &view, &heads));
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_says_nothing_is_quiet_and_remembered),
        cmocka_unit_test(a_data_point_is_quiet_and_remembered_only_by_its_own_id),
        cmocka_unit_test(whatever_may_matter_is_not_quiet),
        cmocka_unit_test(a_head_says_where_its_envelope_lies),
        cmocka_unit_test(what_is_no_envelope_of_ours_is_read_in_full_and_so_is_the_next),
        cmocka_unit_test(behind_a_range_no_tenant_is_known),
        cmocka_unit_test(good_news_that_end_trouble_are_well_and_say_whose_they_are),
        cmocka_unit_test(more_heads_than_there_is_room_for_break_the_record),
        cmocka_unit_test(a_block_gives_each_record_its_own_heads_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
