/* otlp_identity_test.c - which records of OTLP/JSON are one event, sent again, and which are two.
 */
#include "tests/ingest/otlp_world.h"

/* The event key of each of two records. */
struct pair {
    struct hash128 keys[2];
};

static struct pair keys_of(struct status (*decoder)(struct decode *, struct slice),
                           const char *body) {
    struct world world;
    struct pair pair;
    assert_int_equal(decode_with(decoder, &world, slice_of_text(body)), STATUS_OK);
    assert_int_equal(world.decode.accepted, 2);
    for (uint32_t i = 0; i < 2; i++) {
        pair.keys[i] = envelope_at(&world, i).event_key;
    }
    arena_deinit(&world.arena);
    return pair;
}

static bool is_one_event(struct pair pair) {
    return hash128_equals(pair.keys[0], pair.keys[1]);
}

#define SPANS(a, b) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" a "," b "]}]}]}"
#define SPAN(id, attributes)                                                                       \
    "{\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":\"" id "\",\"name\":\"run\","    \
    "\"endTimeUnixNano\":\"1799999999000000000\",\"attributes\":[" attributes "]}"
#define TEXT(key, value) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define A "EEE19B7EC3C1B174"
#define B "EEE19B7EC3C1B175"

/* A collector on the way may have added to one of them. */
static void a_span_that_tells_how_a_job_went_is_known_by_its_ids(void **state) {
    static const char *const one[] = {
        SPANS(SPAN(A, TEXT("n", "1")), SPAN(A, TEXT("n", "2"))),
        SPANS(SPAN(A, TEXT("job.status", "failed")),
              SPAN(A, TEXT("job.status", "failed") "," TEXT("n", "2"))),
        SPANS(SPAN(A, TEXT("check.status", "ok")), SPAN(A, TEXT("check.status", "degraded"))),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
        assert_true(is_one_event(keys_of(otlp_json_decode_traces, one[i])));
    }
    assert_false(
        is_one_event(keys_of(otlp_json_decode_traces, SPANS(SPAN(A, TEXT("job.status", "ok")),
                                                            SPAN(B, TEXT("job.status", "ok"))))));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_that_tells_how_a_job_went_is_known_by_its_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
