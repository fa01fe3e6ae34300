/*
 * otlp_json_metrics.c - ExportMetricsServiceRequest: checked as JSON, its data points counted.
 * Their use comes later; a point is an element of "dataPoints", which stands only below
 * resourceMetrics > scopeMetrics > metrics > gauge, sum, histogram, exponentialHistogram or
 * summary.
 */
#include "ingest/decode.h"

static void count_points(struct json_walk *walk, uint32_t depth, uint64_t *points) {
    struct slice key;
    enum json_type type = json_peek(walk);
    if (depth > 12 || (type != JSON_OBJECT && type != JSON_ARRAY)) {
        json_skip(walk, NULL);
        return;
    }
    if (type == JSON_ARRAY) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            count_points(walk, depth + 1, points);
        }
        return;
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        bool is_points = json_key_is(key, "dataPoints") && json_peek(walk) == JSON_ARRAY;
        if (!is_points) {
            count_points(walk, depth + 1, points);
            continue;
        }
        json_enter_array(walk);
        while (json_next_element(walk)) {
            json_skip(walk, NULL);
            *points += 1;
        }
    }
}

struct status otlp_json_decode_metrics(struct decode *decode, struct slice body,
                                       uint64_t *points_out) {
    struct json_walk walk = json_walk_over(body, decode->arena);
    uint64_t points = 0;
    if (json_peek(&walk) != JSON_OBJECT) {
        json_fail(&walk, "an object is wanted here");
        return decode_fail(decode, &walk);
    }
    count_points(&walk, 0, &points);
    if (!json_finish(&walk)) {
        return decode_fail(decode, &walk);
    }
    *points_out = points;
    return status_ok();
}
