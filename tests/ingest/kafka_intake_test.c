/*
 * kafka_intake_test.c - messages, as librdkafka may deliver them, into batches: in order, once,
 * whole or not at all. Messages are made by hand: no broker.
 */
#include <time.h>

#include "core/clock.h"
#include "tests/ingest/kafka_world.h"

static const char settings[] = "brokers = \"127.0.0.1:1\"\ntopics = [\"t\", \"u\"]\n";

static int set_up(void **state) {
    *state = world_open(settings);
    return 0;
}

static int tear_down(void **state) {
    world_close(*state);
    return 0;
}

static void assign(struct world *world, const char *topic, uint32_t partition) {
    struct kafka_partition one = {.topic = slice_of_text(topic), .partition = partition};
    kafka_on_assign(world->source, &one, 1);
}

static struct kafka_message message(const char *topic, uint64_t offset, const char *value) {
    return (struct kafka_message){
        .topic = slice_of_text(topic),
        .value = slice_of_text(value == NULL ? "" : value),
        .offset = offset,
        .is_tombstone = value == NULL,
    };
}

static void take(struct world *world, uint64_t offset, const char *value) {
    struct kafka_message one = message("t", offset, value);
    assert_status(kafka_take(world->source, &one), OK);
}

/* Everything is sent and answered; the words of it, one a line. */
static const char *flush(struct world *world) {
    static char words[1u << 16];
    struct text text = text_over(words, sizeof(words));
    uint32_t start = world->said_count;
    do {
        kafka_take_back(world->source);
        kafka_send(world->source);
    } while (world_answer(world, STATUS_OK));
    for (uint32_t i = start; i < world->said_count; i++) {
        text_add_format(&text, "%s\n", world->said[i]);
    }
    text_add_char(&text, 0);
    return words;
}

static const char job_a[] = "{\"job_id\":\"a\",\"status\":\"failed\"}";
static const char job_b[] = "{\"job_id\":\"b\",\"status\":\"failed\"}";

static void messages_of_a_partition_are_one_range(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    take(world, 5, job_a);
    take(world, 6, job_b);
    assert_string_equal(flush(world), "range t/0 5-7 =2\njob:a\njob:b\n");
    take(world, 7, job_a);
    assert_string_equal(flush(world), "range t/0 7-8 =1\njob:a\n");
}

static void partitions_take_turns(void **state) {
    struct world *world = *state;
    struct kafka_message other = message("u", 9, job_b);
    assign(world, "t", 0);
    assign(world, "u", 0);
    take(world, 0, job_a);
    assert_status(kafka_take(world->source, &other), OK);
    take(world, 1, job_b);
    assert_string_equal(flush(world), "range t/0 0-1 =1\njob:a\nrange u/0 9-10 =1\njob:b\n"
                                      "range t/0 1-2 =1\njob:b\n");
}

/* A buffer of librdkafka's may be used again at once. */
static void messages_at_the_same_address_are_told_apart(void **state) {
    struct world *world = *state;
    char body[256];
    struct kafka_message one = message("t", 0, "");
    assign(world, "t", 0);
    for (uint64_t i = 0; i < 3; i++) {
        (void)snprintf(
            body, sizeof(body),
            "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
            "\"value\":{\"stringValue\":\"s%d\"}}]},\"scopeLogs\":[{\"logRecords\":[{}]}]}]}",
            (int)i);
        one.offset = i;
        one.value = slice_of_text(body);
        assert_status(kafka_take(world->source, &one), OK);
    }
    assert_string_equal(flush(world), "range t/0 0-3 =3\nservice:s0\nservice:s1\nservice:s2\n");
}

/* librdkafka 2.0.2 after a rebalance, a seek or a moved leader. */
static void what_is_delivered_again_is_passed_over(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    take(world, 3, job_a);
    take(world, 4, job_a);
    take(world, 3, job_a);
    take(world, 4, job_a);
    take(world, 5, job_b);
    assert_string_equal(flush(world), "range t/0 3-6 =3\njob:a\njob:a\njob:b\n");
    take(world, 0, job_a);
    take(world, 5, job_a);
    assert_string_equal(flush(world), "");
    assert_int_equal(stats_get(&world->stats, STAT_KAFKA_REPEATED), 4);
}

/* Compaction and transactions leave holes. */
static void offsets_may_have_holes(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    take(world, 3, job_a);
    take(world, 10, job_b);
    assert_string_equal(flush(world), "range t/0 3-11 =2\njob:a\njob:b\n");
}

static void a_tombstone_moves_the_place_only(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    take(world, 0, NULL);
    assert_string_equal(flush(world), "range t/0 0-1 =0\n");
    assert_int_equal(stats_get(&world->stats, STAT_KAFKA_TOMBSTONES), 1);
}

static void what_cannot_be_read_is_refused_and_reading_goes_on(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    take(world, 0, job_a);
    take(world, 1, "");
    take(world, 2, "\x01\x02 what is this?");
    take(world, 3, "{\"job_id\":\"a\",");
    take(world, 4, "[{\"job_id\":\"a\",\"status\":\"failed\"},{\"job_id\":\"b\"}]");
    take(world, 5, job_b);
    const char *words = flush(world);
    assert_non_null(strstr(words, "range t/0 0-6 =7\njob:a\n! the message is empty\n"
                                  "! the message is neither JSON nor OTLP"));
    assert_non_null(strstr(words, "job:a\n! status is required\njob:b\n"));
}

static void messages_of_what_was_given_back_are_dropped(void **state) {
    struct world *world = *state;
    struct kafka_partition one = {.topic = SLICE("t")};
    assign(world, "t", 0);
    kafka_on_revoke(world->source, &one, 1, true);
    take(world, 0, job_a);
    assert_string_equal(flush(world), "");
}

/* One message of many records, over several batches. */
static char *make_large(uint32_t records, uint32_t bytes_each) {
    size_t size = (size_t)records * (bytes_each + 128) + 16;
    char *memory = malloc(size);
    struct text text = text_over(memory, size);
    for (uint32_t i = 0; i < records; i++) {
        text_add_format(&text, "%s{\"job_id\":\"j%u\",\"status\":\"failed\",\"message\":\"",
                        i == 0 ? "[" : ",", i);
        for (uint32_t k = 0; k < bytes_each; k++) {
            text_add_char(&text, (char)('a' + k % 26));
        }
        text_add_text(&text, "\"}");
    }
    text_add_text(&text, "]");
    text_add_char(&text, 0);
    assert_false(text.truncated);
    return memory;
}

static uint32_t count_said(const struct world *world, const char *start) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->said_count; i++) {
        count += strncmp(world->said[i], start, strlen(start)) == 0;
    }
    return count;
}

static void a_large_message_is_cut_between_records(void **state) {
    struct world *world = *state;
    char *large = make_large(1000, 12000);
    assign(world, "t", 0);
    take(world, 0, job_a);
    take(world, 1, large);
    take(world, 2, job_b);
    free(large);
    (void)flush(world);
    assert_true(world->batches_count >= 3);
    assert_int_equal(count_said(world, "job:j"), 1000);
    assert_int_equal(count_said(world, "! "), 0);
    assert_int_equal(count_said(world, "range t/0 0-1."), 1);
    assert_true(world->source->places[0].durable.offset == 3);
}

/* The first half of a message was durable when the process ended. */
static void a_message_that_was_cut_goes_on_where_it_was(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    world->source->places[0].read = (struct stream_place){.offset = 4, .part = 2};
    world->source->places[0].has_read = true;
    take(world, 4,
         "[{\"job_id\":\"a\",\"status\":\"failed\"},{\"job_id\":\"b\"},"
         "{\"job_id\":\"c\",\"status\":\"failed\"}]");
    take(world, 5, job_a);
    assert_string_equal(flush(world), "range t/0 4.2-6 =2\njob:c\njob:a\n");
}

#define SPAN(service, id, parent)                                                                  \
    "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"         \
    "\"" service "\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":"                                \
    "\"0123456789abcdef0123456789abcdef\",\"kind\":2,\"spanId\":\"000000000000000" id              \
    "\",\"parentSpanId\":\"" parent "\"}]}]}"
static const char spans[] = "{\"resourceSpans\":[" SPAN("shop", "1", "") "," SPAN(
    "cart", "2", "0000000000000001") "," SPAN("mail", "3", "") "]}";

static void spans_teach_whom_a_service_depends_on(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    take(world, 0, spans);
    assert_string_equal(flush(world), "range t/0 0-1 =4\nservice:shop\nservice:cart\n"
                                      "edge of service:shop\nservice:mail\n");
}

/* Its first two records were durable when the process ended; the edge may come again. */
static void edges_are_no_records_of_a_message_that_was_cut(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    world->source->places[0].read = (struct stream_place){.offset = 4, .part = 2};
    world->source->places[0].has_read = true;
    take(world, 4, spans);
    assert_string_equal(flush(world), "range t/0 4.2-5 =2\nedge of service:shop\nservice:mail\n");
}

static void what_the_shard_refuses_is_sent_again_before_all_else(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    take(world, 0, job_a);
    kafka_send(world->source);
    take(world, 1, job_b);
    assert_true(world_answer(world, STATUS_FULL));
    kafka_take_back(world->source);
    assert_false(world->source->places[0].has_durable);
    world->source->retry_at_ns = 0;
    assert_string_equal(flush(world), "range t/0 0-1 =1\njob:a\nrange t/0 1-2 =1\njob:b\n");
    assert_true(world->source->places[0].durable.offset == 2);
}

static void without_room_nothing_is_done_and_nothing_is_lost(void **state) {
    struct world *world = *state;
    char *large = make_large(400, 12000);
    struct status status = status_ok();
    uint64_t offset = 0;
    assign(world, "t", 0);
    while (status_is_ok(status)) {
        struct kafka_message one = message("t", offset, large);
        status = kafka_take(world->source, &one);
        offset += status_is_ok(status);
        assert_true(offset < 100);
    }
    assert_int_equal(status.code, STATUS_FULL);
    assert_true(world->source->places[0].read.offset == offset);
    (void)flush(world);
    assert_int_equal(count_said(world, "job:"), 400 * offset);
    take(world, offset, large);
    (void)flush(world);
    free(large);
    assert_int_equal(count_said(world, "job:"), 400 * (offset + 1));
    assert_int_equal(count_said(world, "! "), 0);
}

/* Envelopes take more room than the usual JSON of a body of 64 MiB, which HTTP takes. */
static void a_message_as_large_as_a_request_may_be_is_taken(void **state) {
    struct world *world = *state;
    char *large = make_large(60000, 1000);
    assert_in_range(strlen(large), 60 * MIB, 64 * MIB);
    assign(world, "t", 0);
    take(world, 0, large);
    free(large);
    (void)flush(world);
    assert_int_equal(count_said(world, "! "), 0);
    assert_int_equal(count_said(world, "job:j"), 60000);
}

static void a_message_larger_than_all_room_is_refused(void **state) {
    struct world *world = *state;
    char *large = make_large(9000, 12000);
    assign(world, "t", 0);
    take(world, 0, large);
    take(world, 1, job_b);
    free(large);
    (void)flush(world);
    assert_int_equal(count_said(world, "job:b"), 1);
    assert_int_equal(count_said(world, "job:"), 1);
    assert_int_equal(count_said(world, "! the message holds more"), 1);
}

/* --- Partitions that wait --- */

enum { LIMIT_PER_S = 20, BURST = 2 * LIMIT_PER_S };

static int set_up_limited(void **state) {
    char toml[256];
    (void)snprintf(toml, sizeof(toml), "%s[defaults.limits]\nevents_per_second = %d\n", settings,
                   LIMIT_PER_S);
    struct world *world = world_open(toml);
    world->source->now_ns = clock_wall_ns();
    *state = world;
    return 0;
}

static void offer(struct world *world, const char *topic, uint64_t first, uint64_t behind,
                  const char *value) {
    for (uint64_t offset = first; offset < behind; offset++) {
        struct kafka_message one = message(topic, offset, value);
        assert_status(kafka_hold_take(world->source, &one), OK);
    }
}

/* Until nothing is kept; what came out of it. */
static void wait_for_kept(struct world *world) {
    struct timespec span = {.tv_nsec = 20 * 1000 * 1000};
    for (int i = 0; i < 3000 && world->source->places_held > 0; i++) {
        (void)nanosleep(&span, NULL);
        kafka_hold_turn(world->source);
        (void)flush(world);
    }
    assert_int_equal(world->source->kept_count, 0);
    assert_true(world->source->kept_bytes == 0);
}

static const char loud[] = "{\"tenant_id\":\"loud\",\"job_id\":\"a\",\"status\":\"failed\"}";
static const char calm[] = "{\"tenant_id\":\"calm\",\"job_id\":\"b\",\"status\":\"failed\"}";

static void a_tenant_over_its_limit_holds_its_partition_back_and_no_other(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    assign(world, "u", 0);
    offer(world, "t", 0, BURST, loud);
    (void)flush(world); /* with nothing under way the next is not taken for too large, either */
    offer(world, "t", BURST, BURST + LIMIT_PER_S, loud);
    offer(world, "u", 0, 5, calm);
    (void)flush(world);
    assert_int_equal(count_said(world, "job:a"), BURST);
    assert_int_equal(count_said(world, "job:b"), 5);
    assert_true(world->source->places[0].is_paused);
    assert_false(world->source->places[1].is_paused);
    wait_for_kept(world);
    assert_int_equal(count_said(world, "job:a"), BURST + LIMIT_PER_S);
    assert_int_equal(count_said(world, "! "), 0);
    assert_true(world->source->places[0].durable.offset == BURST + LIMIT_PER_S);
    assert_false(world->source->places[0].is_paused);
    assert_int_equal(stats_get(&world->stats, STAT_RATE_LIMITED), 1);
}

static void what_was_kept_of_a_partition_that_is_given_back_is_forgotten(void **state) {
    struct world *world = *state;
    struct kafka_partition one = {.topic = SLICE("t")};
    assign(world, "t", 0);
    offer(world, "t", 0, BURST + 10, loud);
    (void)flush(world);
    kafka_on_revoke(world->source, &one, 1, true);
    assert_int_equal(world->source->places_held, 0);
    assert_true(world->source->kept_bytes == 0);
    assign(world, "t", 0);
    offer(world, "t", BURST, BURST + 10, loud);
    wait_for_kept(world);
    assert_int_equal(count_said(world, "job:a"), BURST + 10);
    assert_true(world->source->places[0].durable.offset == BURST + 10);
}

static void with_its_consumer_all_that_was_kept_goes(void **state) {
    struct world *world = *state;
    assign(world, "t", 0);
    offer(world, "t", 0, BURST + 10, loud);
    assert_int_equal(world->source->kept_count, 10);
    kafka_hold_release(world->source);
    assert_int_equal(world->source->places_held, 0);
    offer(world, "t", BURST, BURST + 10, loud); /* the next one reads on where the first was */
    wait_for_kept(world);
    assert_int_equal(count_said(world, "job:a"), BURST + 10);
}

static void a_message_that_is_held_back_is_charged_once(void **state) {
    struct world *world = *state;
    struct kafka_batch *batches = world->source->free;
    struct kafka_message one = message("t", 0, loud);
    assign(world, "t", 0);
    world->source->free = NULL; /* no room, again and again */
    for (int i = 0; i < 2 * BURST; i++) {
        assert_status(kafka_hold_take(world->source, &one), FULL);
    }
    world->source->free = batches;
    offer(world, "t", 0, BURST, loud);
    assert_int_equal(world->source->kept_count, 0);
}

/* --- Where reading begins --- */

static enum kafka_resume decide(struct kafka_facts facts, uint64_t *offset_out) {
    struct stream_place place = {0};
    enum kafka_resume resume = kafka_decide(&facts, &place);
    *offset_out = place.offset;
    return resume;
}

static void our_state_decides_where_to_begin(void **state) {
    (void)state;
    uint64_t at = 0;
    struct kafka_facts known = {.has_own = true, .own = {10, 0}, .has_commit = true};
    for (uint64_t committed = 0; committed < 20; committed += 5) {
        known.committed = committed;
        assert_int_equal(decide(known, &at), KAFKA_AT_PLACE);
        assert_int_equal(at, 10);
    }
    known.is_committed_by_other = true;
    known.committed = 15; /* another quell of the group has read on */
    assert_int_equal(decide(known, &at), KAFKA_AT_PLACE);
    assert_int_equal(at, 15);
    known.committed = 5;
    assert_int_equal(decide(known, &at), KAFKA_AT_PLACE);
    assert_int_equal(at, 10);
}

static void without_a_place_the_group_decides_else_the_configuration(void **state) {
    (void)state;
    uint64_t at = 0;
    assert_int_equal(decide((struct kafka_facts){.has_commit = true, .committed = 5}, &at),
                     KAFKA_AT_PLACE);
    assert_int_equal(at, 5);
    assert_int_equal(decide((struct kafka_facts){0}, &at), KAFKA_AT_START);
    assert_int_equal(decide((struct kafka_facts){.is_unknown = true}, &at), KAFKA_AS_COMMITTED);
}

#define LIMITED(name) cmocka_unit_test_setup_teardown(name, set_up_limited, tear_down)
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(messages_of_a_partition_are_one_range),
        CASE(partitions_take_turns),
        CASE(messages_at_the_same_address_are_told_apart),
        CASE(what_is_delivered_again_is_passed_over),
        CASE(offsets_may_have_holes),
        CASE(a_tombstone_moves_the_place_only),
        CASE(what_cannot_be_read_is_refused_and_reading_goes_on),
        CASE(messages_of_what_was_given_back_are_dropped),
        CASE(a_large_message_is_cut_between_records),
        CASE(a_message_that_was_cut_goes_on_where_it_was),
        CASE(spans_teach_whom_a_service_depends_on),
        CASE(edges_are_no_records_of_a_message_that_was_cut),
        CASE(what_the_shard_refuses_is_sent_again_before_all_else),
        CASE(without_room_nothing_is_done_and_nothing_is_lost),
        CASE(a_message_as_large_as_a_request_may_be_is_taken),
        CASE(a_message_larger_than_all_room_is_refused),
        LIMITED(a_tenant_over_its_limit_holds_its_partition_back_and_no_other),
        LIMITED(what_was_kept_of_a_partition_that_is_given_back_is_forgotten),
        LIMITED(with_its_consumer_all_that_was_kept_goes),
        LIMITED(a_message_that_is_held_back_is_charged_once),
        CASE(our_state_decides_where_to_begin),
        CASE(without_a_place_the_group_decides_else_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
