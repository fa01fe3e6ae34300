/*
 * kafka_decode_test.c - what a message is, read off its bytes: no header says it, and the topic's
 * format is "auto". Requests in protobuf are made by hand, field by field.
 */
#include "core/clock.h"
#include "tests/ingest/kafka_world.h"

static const char settings[] = "brokers = \"127.0.0.1:1\"\ntopics = [\"t\"]\n";

static int set_up(void **state) {
    struct kafka_partition one = {.topic = SLICE("t")};
    struct world *world = world_open(settings);
    kafka_on_assign(world->source, &one, 1);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    world_close(*state);
    return 0;
}

/* What the next message became: the last words that are said. */
static const char *take(struct world *world, const void *bytes, size_t size) {
    static uint64_t offset;
    struct kafka_message one = {
        .topic = SLICE("t"), .value = slice_of(bytes, size), .offset = offset++};
    assert_status(kafka_take(world->source, &one), OK);
    do {
        kafka_take_back(world->source);
        kafka_send(world->source);
    } while (world_answer(world, STATUS_OK));
    return world->said[world->said_count - 1];
}

enum { MESSAGE_MAX = 512 };

struct message {
    uint8_t bytes[MESSAGE_MAX];
    size_t size;
};

static void put(struct message *to, uint8_t tag, const void *bytes, size_t size) {
    assert_true(to->size + size + 3 <= MESSAGE_MAX);
    to->bytes[to->size++] = tag;
    if (size >= 0x80) {
        to->bytes[to->size++] = (uint8_t)(size | 0x80);
    }
    to->bytes[to->size++] = (uint8_t)(size >= 0x80 ? size >> 7 : size);
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void put_message(struct message *to, uint8_t tag, const struct message *from) {
    put(to, tag, from->bytes, from->size);
}

enum { TAG_1 = 0x0A, TAG_2 = 0x12, TAG_5 = 0x2A };

/* A request with one record of service:s. */
static struct message request_of(const struct message *record) {
    struct message value = {0};
    struct message pair = {0};
    struct message resource = {0};
    struct message scope = {0};
    struct message list = {0};
    struct message request = {0};
    put(&value, TAG_1, "s", 1);
    put(&pair, TAG_1, "service.name", 12);
    put_message(&pair, TAG_2, &value);
    put_message(&resource, TAG_1, &pair);
    put_message(&scope, TAG_2, record);
    put_message(&list, TAG_1, &resource);
    put_message(&list, TAG_2, &scope);
    put_message(&request, TAG_1, &list);
    return request;
}

/* 0x0A is a line's end, too, and a length can be that of '{' or '['. */
static void protobuf_of_any_length_is_protobuf(void **state) {
    struct world *world = *state;
    char text[200];
    memset(text, 'x', sizeof(text));
    for (size_t size = 0; size < sizeof(text); size++) {
        struct message body = {0};
        struct message record = {0};
        put(&body, TAG_1, text, size);
        put_message(&record, TAG_5, &body);
        struct message request = request_of(&record);
        assert_string_equal(take(world, request.bytes, request.size), "service:s");
    }
}

static void json_behind_a_line_end_is_json_whatever_its_length(void **state) {
    struct world *world = *state;
    for (int pad = 0; pad < 200; pad++) {
        char text[MESSAGE_MAX];
        int size =
            snprintf(text, sizeof(text),
                     "\n{\"job_id\":\"j\",\"status\":\"failed\",\"message\":\"%0*d\"}", pad, 0);
        assert_string_equal(take(world, text, (size_t)size), "job:j");
        size = snprintf(text, sizeof(text), "\n[{\"job_id\":\"k\",\n\"status\":\"failed\"%*s}]\n\n",
                        pad, "");
        assert_string_equal(take(world, text, (size_t)size), "job:k");
    }
}

/* As long as the ids of a span, of which nothing else tells it apart. */
static void a_metric_whose_name_and_description_have_16_and_8_bytes_is_a_metric(void **state) {
    struct world *world = *state;
    static const uint8_t point[] = {0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x31, 7, 0, 0, 0, 0, 0, 0, 0};
    struct message gauge = {0};
    struct message metric = {0};
    put(&gauge, TAG_1, point, sizeof(point));
    put(&metric, TAG_1, "http.server.reqs", 16);
    put(&metric, TAG_2, "requests", 8);
    put_message(&metric, TAG_5, &gauge);
    struct message request = request_of(&metric);
    assert_string_equal(take(world, request.bytes, request.size), "service:s");
    assert_int_equal(stats_get(&world->stats, STAT_METRIC_POINTS), 1);
}

static void a_span_of_ids_and_a_name_is_a_span(void **state) {
    struct world *world = *state;
    static const uint8_t ids[] = {0xC3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct message span = {0};
    put(&span, TAG_1, ids, 16);
    put(&span, TAG_2, ids, 8);
    put(&span, TAG_5, "GET /", 5);
    struct message request = request_of(&span);
    assert_string_equal(take(world, request.bytes, request.size), "service:s");
    assert_int_equal(stats_get(&world->stats, STAT_METRIC_POINTS), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(protobuf_of_any_length_is_protobuf),
        CASE(json_behind_a_line_end_is_json_whatever_its_length),
        CASE(a_metric_whose_name_and_description_have_16_and_8_bytes_is_a_metric),
        CASE(a_span_of_ids_and_a_name_is_a_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
