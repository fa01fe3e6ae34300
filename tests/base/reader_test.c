/* reader_test.c - what was written reads back; what is cut short fails and stays failed. */
#include "tests/base/unit.h"

#include "core/base/reader.h"

static size_t write_all(uint8_t *memory, size_t capacity, bool *failed_out) {
    struct writer writer = writer_over(memory, capacity);
    writer_u8(&writer, 1);
    writer_u16(&writer, 0x0203);
    writer_u32(&writer, 0x04050607);
    writer_u64(&writer, UINT64_MAX - 1);
    writer_f64(&writer, -0.5);
    writer_hash128(&writer, (struct hash128){8, 9});
    writer_text(&writer, SLICE("words"));
    writer_u64_big_endian(&writer, 0x0102030405060708);
    *failed_out = writer.failed;
    return writer.size;
}

static void what_was_written_reads_back(void **state) {
    uint8_t memory[128];
    bool failed;
    size_t size = write_all(memory, sizeof(memory), &failed);
    assert_false(failed);
    assert_int_equal(memory[1], 0x03); /* little-endian */
    assert_int_equal(memory[size - 8], 0x01);
    struct reader reader = reader_over(slice_of(memory, size));
    assert_int_equal(reader_u8(&reader), 1);
    assert_int_equal(reader_u16(&reader), 0x0203);
    assert_int_equal(reader_u32(&reader), 0x04050607);
    assert_true(reader_u64(&reader) == UINT64_MAX - 1);
    double half = reader_f64(&reader);
    assert_true(half <= -0.5 && half >= -0.5);
    assert_true(hash128_equals(reader_hash128(&reader), (struct hash128){8, 9}));
    assert_slice(reader_text(&reader), "words");
    assert_true(reader_u64_big_endian(&reader) == 0x0102030405060708);
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
}

static void reading_past_the_end_fails_and_stays_failed(void **state) {
    struct reader reader = reader_over(SLICE("\x01\x02\x03"));
    assert_int_equal(reader_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(reader_u8(&reader), 0);
    assert_int_equal(reader_left(&reader), 0);
}

static void a_length_that_lies_gives_nothing(void **state) {
    struct reader reader = reader_over(SLICE("\xff\xff\xff\xff"
                                             "abc"));
    assert_int_equal(reader_text(&reader).size, 0);
    assert_true(reader.failed);
}

static void a_writer_never_writes_past_its_end(void **state) {
    uint8_t memory[128];
    bool failed;
    size_t whole = write_all(memory, sizeof(memory), &failed);
    for (size_t capacity = 0; capacity < whole; capacity++) {
        memory[capacity] = 0x5A;
        assert_true(write_all(memory, capacity, &failed) <= capacity);
        assert_true(failed);
        assert_int_equal(memory[capacity], 0x5A);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_reads_back),
        cmocka_unit_test(reading_past_the_end_fails_and_stays_failed),
        cmocka_unit_test(a_length_that_lies_gives_nothing),
        cmocka_unit_test(a_writer_never_writes_past_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
