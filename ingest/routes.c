/*
 * routes.c - which path means what: authentication, media types, inflating, decoding, and the
 * answer.
 */

#include "core/base/assert.h"
#include "core/clock.h"
#include "ingest/ingest_internal.h"
#include "ingest/native.h"
#include "ingest/otlp_proto.h"

typedef struct status decode_fn(struct decode *decode, struct slice body);

struct route {
    const char *path;
    enum answer_style style;
    const char *rejected_key; /* OTLP: the name of its count */
    decode_fn *decode;
    decode_fn *decode_proto; /* NULL: JSON only */
};

static decode_fn decode_native, decode_native_lines, decode_metrics, decode_proto_metrics;

static const struct route routes[] = {
    {"/v1/logs", ANSWER_OTLP, "rejectedLogRecords", otlp_json_decode_logs, otlp_proto_decode_logs},
    {"/v1/traces", ANSWER_OTLP, "rejectedSpans", otlp_json_decode_traces, otlp_proto_decode_traces},
    {"/v1/metrics", ANSWER_OTLP, "rejectedDataPoints", decode_metrics, decode_proto_metrics},
    {"/v1/events", ANSWER_NATIVE, NULL, decode_native, NULL},
};

static struct status decode_native(struct decode *decode, struct slice body) {
    return native_decode(decode, body, false);
}

static struct status decode_native_lines(struct decode *decode, struct slice body) {
    return native_decode(decode, body, true);
}

static void count_points(const struct decode *decode, uint64_t points) {
    const struct intake *intake = decode->context;
    stats_add(intake->ingest->options.stats, STAT_METRIC_POINTS, points);
}

static struct status decode_metrics(struct decode *decode, struct slice body) {
    uint64_t points = 0;
    TRY(otlp_json_decode_metrics(decode, body, &points));
    count_points(decode, points);
    return status_ok();
}

static struct status decode_proto_metrics(struct decode *decode, struct slice body) {
    uint64_t points = 0;
    TRY(otlp_proto_decode_metrics(decode, body, &points));
    count_points(decode, points);
    return status_ok();
}

/* --- Media types --- */

/* "application/json; charset=utf-8" -> "application/json" */
static struct slice media_type(const struct http_request *request) {
    struct slice value = http_header_find(request, "content-type");
    return slice_trim(slice_head(value, slice_find_byte(value, ';')));
}

static bool type_is(struct slice type, const char *name) {
    return slice_equals_ignoring_case(type, slice_of_text(name));
}

/* 0, or why not. Native events take what `curl -d` sends. */
static unsigned check_type(const struct route *route, struct slice type, const char **words) {
    if (type_is(type, "application/json")) {
        return 0;
    }
    if (route->decode_proto != NULL) {
        *words = "the content type must be application/json or application/x-protobuf";
        return type_is(type, "application/x-protobuf") ? 0 : 415;
    }
    bool is_usual = type.size == 0 || type_is(type, "application/x-ndjson") ||
                    type_is(type, "application/jsonl") || type_is(type, "text/plain") ||
                    type_is(type, "application/x-www-form-urlencoded");
    *words = "the content type must be application/json or application/x-ndjson";
    return is_usual ? 0 : 415;
}

static unsigned inflate_body(struct ingest *ingest, const struct http_request *request,
                             struct slice *body_out, const char **words) {
    struct slice encoding = http_header_find(request, "content-encoding");
    *body_out = request->body;
    if (encoding.size == 0 || type_is(encoding, "identity")) {
        return 0;
    }
    if (!type_is(encoding, "gzip") && !type_is(encoding, "deflate")) {
        *words = "the content encoding must be gzip, deflate or none";
        return 415;
    }
    struct status status =
        inflate_gzip(&ingest->inflated, request->body, ingest->config->request_bytes_max, body_out);
    if (status.code == STATUS_FULL) {
        *words = "the body is larger than max_request_bytes when inflated";
        return 413;
    }
    *words = "the body is not what its content encoding says";
    return status_is_ok(status) ? 0 : 400;
}

/* --- Who is it --- */

static unsigned authenticate(const struct ingest *ingest, const struct http_request *request,
                             struct decode *decode, const char **words) {
    struct slice header = http_header_find(request, "authorization");
    struct slice scope = http_header_find(request, "x-scope-orgid");
    struct fault reason;
    if (ingest->config->auth_mode == AUTH_NONE) {
        decode->tenant = scope;
        bool is_sound = scope.size == 0 || status_is_ok(derive_check_tenant(scope, &reason));
        *words = "X-Scope-OrgID is no tenant id";
        return is_sound ? 0 : 400;
    }
    struct slice prefix = SLICE("Bearer ");
    bool has_token = header.size > prefix.size &&
                     slice_equals_ignoring_case(slice_head(header, prefix.size), prefix);
    *words = "a bearer token is required";
    if (!has_token ||
        !status_is_ok(config_find_token(ingest->config, slice_trim(slice_tail(header, prefix.size)),
                                        &decode->tenant))) {
        return 401;
    }
    decode->tenant_is_bound = true;
    *words = "X-Scope-OrgID names another tenant than the token";
    return scope.size > 0 && !slice_equals(scope, decode->tenant) ? 403 : 0;
}

/* --- Answers --- */

static void answer_native(struct intake *intake, const struct decode *decode) {
    char *memory = arena_allocate(decode->arena, ANSWER_BYTES_MAX, 1);
    if (memory == NULL) {
        intake_abort(intake);
        ingest_refuse(intake->ingest, intake->exchange, intake->style, 429, "no room");
        return;
    }
    struct text body = text_over(memory, ANSWER_BYTES_MAX);
    text_add_format(&body, "{\"accepted\":%u,\"rejected\":%u,\"errors\":[", decode->accepted,
                    decode->refused);
    text_add(&body, text_slice(&intake->errors));
    text_add_text(&body, "]}");
    ASSERT(!body.truncated);
    bool is_refused = decode->accepted == 0 && decode->refused > 0;
    intake_commit(intake, is_refused ? 400 : 200, text_slice(&body));
}

static void answer_decoded(struct intake *intake, const struct route *route,
                           const struct decode *decode) {
    if (intake->style == ANSWER_NATIVE) {
        answer_native(intake, decode);
        return;
    }
    char memory[1024];
    struct text body = text_over(memory, sizeof(memory));
    answer_otlp(&body, intake->style, route->rejected_key, decode->refused, decode->fault.words);
    intake_commit(intake, 200, text_slice(&body));
}

/* A body that cannot be read at all stands in the quarantine too, when there is room. */
static void answer_unreadable(struct intake *intake, struct decode *decode, struct slice body) {
    struct fault fault = decode->fault;
    intake_abort(intake);
    intake->errors.size = 0;
    intake->errors_count = 0;
    decode->accepted = 0;
    decode->refused = 0;
    if (!status_is_ok(decode_refuse(decode, body, fault.words))) {
        intake_abort(intake);
    }
    if (intake->style == ANSWER_NATIVE) {
        answer_native(intake, decode);
        return;
    }
    char memory[1024];
    struct text text = text_over(memory, sizeof(memory));
    answer_error(&text, intake->style, 400, fault.words);
    intake_commit(intake, 400, text_slice(&text));
}

/* How the body of one request is read and answered. */
struct format {
    const struct route *route;
    enum answer_style style;
    decode_fn *decode;
};

static struct format find_format(const struct route *route, struct slice type) {
    struct format format = {route, route->style, route->decode};
    if (route->decode_proto != NULL && type_is(type, "application/x-protobuf")) {
        format.style = ANSWER_PROTO;
        format.decode = route->decode_proto;
    } else if (route->decode == decode_native &&
               (type_is(type, "application/x-ndjson") || type_is(type, "application/jsonl"))) {
        format.decode = decode_native_lines;
    }
    return format;
}

static void decode_body(struct ingest *ingest, struct http_exchange exchange,
                        const struct format *format, struct decode *decode, struct slice body) {
    struct intake *intake = ARENA_NEW(&ingest->decode_arena, struct intake);
    ASSERT(intake != NULL); /* the arena was just reset */
    intake_init(intake, ingest, exchange, format->style);
    decode->arena = &ingest->decode_arena;
    decode->hash_seed = ingest->options.hash_seed;
    decode->now_ns = clock_wall_ns();
    decode->source = format->style == ANSWER_NATIVE ? SLICE("native") : SLICE("otlp-http");
    decode->batch_for = intake_batch_for;
    decode->dedup_by_for = intake_dedup_by_for;
    decode->on_refused = intake_on_refused;
    decode->context = intake;
    struct status status = format->decode(decode, body);
    if (status_is_ok(status)) {
        answer_decoded(intake, format->route, decode);
    } else if (status.code == STATUS_INVALID) {
        answer_unreadable(intake, decode, body);
    } else {
        intake_abort(intake);
        ingest_refuse(ingest, exchange, format->style, 429,
                      "no room for more events now, try again");
    }
}

static void take_request(struct ingest *ingest, struct http_exchange exchange,
                         const struct route *route, const struct http_request *request) {
    struct decode decode = {0};
    struct slice body = {0};
    const char *words = "";
    struct slice type = media_type(request);
    struct format format = find_format(route, type);
    unsigned refusal = authenticate(ingest, request, &decode, &words);
    if (refusal == 0 && !atomic_load(ingest->options.is_ready)) {
        words = "not ready to take events";
        refusal = 503;
    }
    refusal = refusal != 0 ? refusal : check_type(route, type, &words);
    refusal = refusal != 0 ? refusal : inflate_body(ingest, request, &body, &words);
    if (refusal != 0) {
        ingest_refuse(ingest, exchange, format.style, refusal, words);
        return;
    }
    arena_reset(&ingest->decode_arena);
    decode_body(ingest, exchange, &format, &decode, body);
}

void ingest_on_request(void *context, struct http_exchange exchange,
                       const struct http_request *request) {
    struct ingest *ingest = context;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!slice_equals(request->path, slice_of_text(routes[i].path))) {
            continue;
        }
        if (slice_equals(request->method, SLICE("POST"))) {
            take_request(ingest, exchange, &routes[i], request);
            return;
        }
        char memory[256];
        struct text body = text_over(memory, sizeof(memory));
        answer_error(&body, routes[i].style, 405, "use POST");
        http_respond(exchange, 405, "application/json", "Allow: POST\r\n", text_slice(&body));
        return;
    }
    ingest_refuse(ingest, exchange, ANSWER_PLAIN, 404,
                  "no such path: events go to /v1/events, /v1/logs, /v1/traces or /v1/metrics");
}

void ingest_on_error(void *context, unsigned status, const char *words, struct text *body,
                     const char **content_type_out) {
    (void)context;
    *content_type_out = "application/json";
    answer_error(body, ANSWER_OTLP, status, words);
}
