/* batch_test.c - batches and the records inside them: back as written, refused when damaged. */
#include "tests/base/unit.h"

#include "core/batch.h"
#include "core/operator.h"
#include "core/outbox.h"

static void entries_come_back_in_order_with_their_sizes(void **state) {
    _Alignas(8) uint8_t memory[256];
    struct batch batch;
    struct batch_view view;
    struct slice entry;
    batch_init(&batch, memory, sizeof(memory));
    batch_clear(&batch, BATCH_OPERATOR);
    assert_status(batch_add(&batch, SLICE("one")), OK);
    assert_status(batch_add(&batch, SLICE("")), OK);
    struct writer writer = batch_entry_begin(&batch);
    writer_bytes(&writer, SLICE("in place"));
    batch_entry_commit(&batch, writer.size);
    struct slice bytes = batch_finish(&batch);
    batch_set_stamp(memory, 77);
    batch_set_seq(memory, 88);
    assert_status(batch_open(bytes, &view), OK);
    assert_int_equal(view.kind, BATCH_OPERATOR);
    assert_int_equal(view.count, 3);
    assert_int_equal(view.stamp_ns, 77);
    assert_int_equal(view.seq, 88);
    assert_true(batch_next(&view, &entry));
    assert_slice(entry, "one");
    assert_true(batch_next(&view, &entry));
    assert_slice(entry, "");
    assert_true(batch_next(&view, &entry));
    assert_slice(entry, "in place");
    assert_false(batch_next(&view, &entry));
}

static void a_full_batch_stays_as_it_was(void **state) {
    _Alignas(8) uint8_t memory[80];
    uint8_t large[40] = {0};
    struct batch batch;
    struct batch_view view;
    batch_init(&batch, memory, sizeof(memory));
    assert_status(batch_add(&batch, slice_of(large, 25)), FULL);
    assert_int_equal(batch.count, 0);
    assert_status(batch_add(&batch, slice_of(large, 24)), OK);
    assert_status(batch_add(&batch, SLICE("")), FULL);
    assert_status(batch_open(batch_finish(&batch), &view), OK);
    assert_int_equal(view.count, 1);
}

static void damaged_batches_are_refused(void **state) {
    _Alignas(8) uint8_t memory[128];
    struct batch batch;
    struct batch_view view;
    batch_init(&batch, memory, sizeof(memory));
    assert_status(batch_add(&batch, SLICE("entry")), OK);
    struct slice bytes = batch_finish(&batch);
    for (size_t size = 0; size < bytes.size; size++) {
        assert_status(batch_open(slice_head(bytes, size), &view), CORRUPT);
    }
    static const size_t header_places[] = {0, 4, 12};
    for (size_t i = 0; i < sizeof(header_places) / sizeof(header_places[0]); i++) {
        memory[header_places[i]] ^= 0x40;
        assert_status(batch_open(bytes, &view), CORRUPT);
        memory[header_places[i]] ^= 0x40;
    }
    /* The count, and the entry's size: found where the walk comes to it. */
    static const size_t entry_places[] = {8, 48, 51};
    for (size_t i = 0; i < sizeof(entry_places) / sizeof(entry_places[0]); i++) {
        struct slice entry;
        memory[entry_places[i]] ^= 0x40;
        assert_status(batch_open(bytes, &view), OK);
        while (batch_next(&view, &entry)) {
            assert_int_equal(entry.size, 5);
        }
        assert_true(view.is_broken);
        assert_false(batch_next(&view, &entry));
        memory[entry_places[i]] ^= 0x40;
    }
    assert_status(batch_open(bytes, &view), OK);
}

static void operator_requests_read_back(void **state) {
    uint8_t memory[128];
    struct writer writer = writer_over(memory, sizeof(memory));
    struct operator_request request = {OPERATOR_RESOLVE, {1, 2},         SLICE("acme"),
                                       SLICE("ada"),     SLICE("fixed"), SLICE("more")};
    struct operator_request back;
    operator_encode(&request, &writer);
    assert_status(operator_decode(writer_slice(&writer), &back), OK);
    assert_int_equal(back.action, OPERATOR_RESOLVE);
    assert_true(hash128_equals(back.incident_id, request.incident_id));
    assert_slice(back.tenant, "acme");
    assert_slice(back.note, "fixed");
    assert_slice(back.detail, "more");
    size_t without_detail = writer.size - 4 - 4; /* as journals of before have it */
    for (size_t size = 0; size < writer.size; size++) {
        struct status status = operator_decode(slice_of(memory, size), &back);
        assert_int_equal(status.code, size == without_detail ? STATUS_OK : STATUS_CORRUPT);
    }
    memory[0] = OPERATOR_ACTIONS;
    assert_status(operator_decode(writer_slice(&writer), &back), CORRUPT);
}

static void outbox_records_read_back(void **state) {
    uint8_t memory[256];
    struct writer writer = writer_over(memory, sizeof(memory));
    struct outbox_message message = {.number = 5,
                                     .message_id = {3, 4},
                                     .incident_version = 6,
                                     .type = OUTBOX_UPDATED,
                                     .sink = SLICE("pager"),
                                     .payload = SLICE("{}")};
    struct outbox_message back;
    outbox_message_encode(&message, &writer);
    assert_status(outbox_message_decode(writer_slice(&writer), &back), OK);
    assert_int_equal(back.number, 5);
    assert_int_equal(back.incident_version, 6);
    assert_slice(outbox_type_word(back.type), "updated");
    assert_slice(back.sink, "pager");
    assert_slice(back.payload, "{}");
    assert_status(outbox_message_decode(slice_of(memory, writer.size - 1), &back), CORRUPT);

    writer = writer_over(memory, sizeof(memory));
    struct outbox_outcome outcome = {5, OUTBOX_DEAD, 7, SLICE("timeout"), SLICE("C1 2.3"), 6};
    struct outbox_outcome outcome_back;
    outbox_outcome_encode(&outcome, &writer);
    assert_status(outbox_outcome_decode(writer_slice(&writer), &outcome_back), OK);
    assert_int_equal(outcome_back.result, OUTBOX_DEAD);
    assert_int_equal(outcome_back.attempts_told, 6);
    assert_int_equal(outcome_back.attempts, 7);
    assert_slice(outcome_back.error, "timeout");
    assert_slice(outcome_back.memory, "C1 2.3");
    memory[8] = 5;
    assert_status(outbox_outcome_decode(writer_slice(&writer), &outcome_back), CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_back_in_order_with_their_sizes),
        cmocka_unit_test(a_full_batch_stays_as_it_was),
        cmocka_unit_test(damaged_batches_are_refused),
        cmocka_unit_test(operator_requests_read_back),
        cmocka_unit_test(outbox_records_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
