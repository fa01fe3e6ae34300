/*
 * routes.c - a request's way: authentication, media type, inflating, decoding, and the answer.
 */

#include "core/base/assert.h"
#include "core/clock.h"
#include "ingest/formats.h"
#include "ingest/otlp_edges.h"
#include "ingest/path_table.h"

static unsigned inflate_body(struct ingest *ingest, const struct http_request *request,
                             struct slice *body_out, const char **words) {
    enum inflate_format format = INFLATE_NONE;
    struct slice encoding = http_header_find(request, "content-encoding");
    if (!status_is_ok(inflate_format_find(encoding, &format))) {
        *words = "the content encoding must be one of " INFLATE_NAMES ", or none";
        return 415;
    }
    struct status status = inflate_bytes(&ingest->inflated, format, request->body,
                                         ingest->config->request_bytes_max, body_out);
    *words = "the body is not what its content encoding says";
    return status_is_ok(status) ? 0 : status.code == STATUS_FULL ? 413 : 400;
}

/* --- Who is it --- */

/* Whom the bearer token or the client's certificate stands for; both, when they agree. An empty
 * tenant: nobody was named, where nobody must be. */
static unsigned identify(const struct config *config, const struct http_request *request,
                         struct slice *tenant_out, const char **words) {
    bool has_header = http_header_find(request, "authorization").size > 0;
    struct slice token = {0};
    struct slice of_token = {0};
    struct slice of_peer = {0};
    bool is_asked = config->auth_mode == AUTH_TOKEN;
    bool has_peer = status_is_ok(config_find_peer(config, request->peer, &of_peer));
    bool is_bearer = http_bearer_find(request, &token);
    enum config_role role = CONFIG_ROLE_TENANT;
    bool has_token =
        is_asked && is_bearer && status_is_ok(config_find_token(config, token, &role, &of_token));
    *words = is_bearer ? "no tenant has this token" : "a bearer token is required";
    if (is_asked && !has_token && (has_header || !has_peer)) {
        return 401;
    }
    bool is_tenants = role == CONFIG_ROLE_TENANT;
    *words = is_tenants ? "the token and the certificate are of different tenants"
                        : "this token is the console's and names no tenant: use a tenant's";
    *tenant_out = has_token ? of_token : of_peer;
    return !is_tenants || (has_token && has_peer && !slice_equals(of_token, of_peer)) ? 403 : 0;
}

static unsigned authenticate(const struct ingest *ingest, const struct http_request *request,
                             struct decode *decode, const char **words) {
    struct slice scope = http_header_find(request, "x-scope-orgid");
    struct slice tenant = {0};
    struct fault reason;
    unsigned refusal = identify(ingest->config, request, &tenant, words);
    if (refusal != 0) {
        return refusal;
    }
    decode->tenant_is_bound = tenant.size > 0;
    decode->tenant = tenant.size > 0 ? tenant : scope;
    if (tenant.size == 0) {
        *words = "X-Scope-OrgID is no tenant id";
        return scope.size == 0 || status_is_ok(derive_check_tenant(scope, &reason)) ? 0 : 400;
    }
    *words = "X-Scope-OrgID names another tenant than the token or certificate";
    return scope.size > 0 && !slice_equals(scope, tenant) ? 403 : 0;
}

/* 0, or why not: who it is, and whether quell is ready for anybody. */
static unsigned admit(struct ingest *ingest, const struct http_request *request,
                      struct decode *decode, const char **words) {
    unsigned refusal = authenticate(ingest, request, decode, words);
    if (refusal == 403 && decode->tenant_is_bound) {
        refusals_note(&ingest->refusals, decode->tenant,
                      http_header_find(request, "x-scope-orgid"));
    }
    if (refusal == 0 && !atomic_load(ingest->options.is_ready)) {
        *words = "not ready to take events";
        refusal = 503;
    }
    return refusal;
}

/* True: the answer was given. */
static bool is_put_off(struct ingest *ingest, struct http_exchange exchange,
                       enum answer_style style, const struct decode *decode) {
    struct put_off refusal = intake_ask(ingest, decode->tenant, clock_wall_ns());
    if (refusal.wait_s > 0) {
        intake_refuse(ingest, exchange, style, &refusal);
    }
    return refusal.wait_s > 0;
}

/* --- A request --- */

/* All before any is sent: what comes behind waits for the next time. */
static void note_claims(struct ingest *ingest, const struct decode *decode) {
    for (uint32_t i = 0; i < decode->claims_count; i++) {
        const struct decode_claim *claim = &decode->claims[i];
        refusals_gather(&ingest->refusals, decode->tenant, slice_of(claim->tenant, claim->size),
                        claim->count);
    }
    refusals_send_due(&ingest->refusals);
}

static void decode_body(struct ingest *ingest, struct http_exchange exchange,
                        const struct http_request *request, const struct format *format,
                        struct decode *decode, struct slice body) {
    arena_reset(&ingest->decode_arena);
    /* Unset: most of it is room for errors, which a request rarely has. */
    struct intake *intake =
        arena_allocate_unset(&ingest->decode_arena, sizeof(struct intake), alignof(struct intake));
    ASSERT(intake != NULL);
    intake_init(intake, ingest, exchange, format->style);
    intake->request = request;
    decode->arena = &ingest->decode_arena;
    decode->hash_seed = ingest->options.hash_seed;
    decode->now_ns = clock_wall_ns();
    decode->source = format->style == ANSWER_GRPC ? SLICE("otlp-grpc")
                                                  : slice_of_text(route_at(format->route)->source);
    otlp_edges_begin(decode, ingest->options.spans, ingest->config);
    decode->shapes = &ingest->shapes;
    decode->native_shapes = &ingest->native_shapes;
    decode->batch_for = intake_batch_for;
    decode->dedup_by_for = intake_dedup_by_for;
    decode->on_refused = intake_on_refused;
    decode->context = intake;
    struct status status = format->decode(decode, body);
    stats_add(ingest->options.stats, STAT_METRIC_POINTS, decode->points);
    if (decode->claims_count > 0) {
        note_claims(ingest, decode);
    }
    respond_decoded(intake, decode, status, body, route_at(format->route)->rejected_key);
}

/* The bytes to decode. 0, or why not. */
static unsigned open_body(struct ingest *ingest, const struct format *format,
                          const struct http_request *request, struct slice *body_out,
                          const char **words) {
    uint64_t bytes_max = ingest->config->request_bytes_max;
    unsigned refusal =
        format->style == ANSWER_GRPC
            ? grpc_open_message(&ingest->inflated, request, bytes_max, body_out, words)
            : inflate_body(ingest, request, body_out, words);
    *body_out = text_behind_mark(*body_out);
    if (refusal == 413) { /* the server has measured what came: it is what it became */
        http_limit_words(NULL, bytes_max, " when inflated", ingest->too_large);
        *words = ingest->too_large;
    }
    return refusal;
}

static void take_request(struct ingest *ingest, struct http_exchange exchange,
                         const struct format *format, const struct http_request *request) {
    struct decode decode = {0};
    struct slice body = {0};
    const char *words = "";
    unsigned refusal = admit(ingest, request, &decode, &words);
    if (refusal == 0 && is_put_off(ingest, exchange, format->style, &decode)) {
        return;
    }
    struct hash128 tenant = hash128_of(decode.tenant, 0);
    if (refusal == 0) {
        http_name_owner(exchange, tenant);
    }
    if (refusal == 0 && turns_is_over(&ingest->turns, tenant)) {
        http_put_back(exchange);
        return;
    }
    struct work work = intake_begin_work(ingest, decode.tenant);
    refusal = refusal != 0 ? refusal : open_body(ingest, format, request, &body, &words);
    if (refusal == 0) {
        decode_body(ingest, exchange, request, format, &decode, body);
    } else {
        ingest_refuse(ingest, exchange, format->style, refusal, words);
    }
    intake_end_work(ingest, &work);
}

/* By the media type of its body. */
static void take_typed(struct ingest *ingest, struct http_exchange exchange, enum route_name route,
                       const struct http_request *request) {
    const struct format *format = format_find(route, request);
    if (format != NULL) {
        take_request(ingest, exchange, format, request);
        return;
    }
    struct decode decode = {0};
    const char *words = "";
    unsigned refusal = admit(ingest, request, &decode, &words);
    ingest_refuse(ingest, exchange, route_at(route)->style, refusal != 0 ? refusal : 415,
                  refusal != 0 ? words : route_at(route)->types);
}

/* --- Pings --- */

static struct status decode_ping(struct decode *decode, struct slice body) {
    const struct intake *intake = decode->context;
    struct ping ping;
    char run_id[RUN_ID_BYTES_MAX];
    size_t size = 0;
    TRY(ping_parse(intake->request->path, &ping));
    if (!http_query_find(intake->request->query, "rid", run_id, sizeof(run_id), &size) ||
        !text_is_utf8(slice_of(run_id, size))) {
        size = 0; /* the ping counts whatever its run is called */
    }
    return ping_decode(decode, &ping, slice_of(run_id, size), body);
}

/* A ping's key is its project: the tenant itself where nobody must prove who he is, else the
 * tenant's token, so that a cron line needs no header. */
static unsigned admit_ping(struct ingest *ingest, const struct http_request *request,
                           const struct ping *ping, struct decode *decode, const char **words) {
    bool has_header = http_header_find(request, "authorization").size > 0;
    if (ping->key.size > 0 && !has_header && ingest->config->auth_mode != AUTH_NONE) {
        enum config_role role = CONFIG_ROLE_TENANT;
        struct status known = config_find_token(ingest->config, ping->key, &role, &decode->tenant);
        decode->tenant_is_bound = true;
        *words = "no such ping key";
        return status_is_ok(known) && role == CONFIG_ROLE_TENANT ? 0 : 404;
    }
    unsigned refusal = admit(ingest, request, decode, words);
    if (refusal != 0 || decode->tenant.size > 0 || ping->key.size == 0) {
        return refusal;
    }
    struct fault reason;
    *words = "the key of the ping is no tenant id";
    decode->tenant = ping->key;
    return status_is_ok(derive_check_tenant(ping->key, &reason)) ? 0 : 400;
}

static void take_ping(struct ingest *ingest, struct http_exchange exchange,
                      const struct http_request *request) {
    static const struct format format = {ROUTE_PING, "", ANSWER_PING, decode_ping};
    struct decode decode = {0};
    struct slice body = {0};
    struct ping ping;
    const char *words = "a ping is /ping/<name> or /ping/<key>/<slug>, then /start, /fail, /log "
                        "or an exit status";
    unsigned refusal = status_is_ok(ping_parse(request->path, &ping)) ? 0 : 404;
    refusal = refusal != 0 ? refusal : admit_ping(ingest, request, &ping, &decode, &words);
    if (refusal == 0 && is_put_off(ingest, exchange, ANSWER_PLAIN, &decode)) {
        return;
    }
    struct work work = intake_begin_work(ingest, decode.tenant);
    refusal = refusal != 0 ? refusal : inflate_body(ingest, request, &body, &words);
    if (refusal == 0) {
        decode_body(ingest, exchange, request, &format, &decode, body);
    } else {
        ingest_refuse(ingest, exchange, ANSWER_PLAIN, refusal, words);
    }
    intake_end_work(ingest, &work);
}

/* --- Paths --- */

static void refuse_method(struct http_exchange exchange, enum answer_style style, const char *words,
                          const char *allow) {
    char memory[256];
    struct text body = text_over(memory, sizeof(memory));
    answer_error(&body, style, 405, words);
    http_respond(exchange, 405, answer_content_type(style), allow, text_slice(&body));
}

static void on_ping(struct ingest *ingest, struct http_exchange exchange,
                    const struct http_request *request) {
    bool is_fit = request->is_head || slice_equals(request->method, SLICE("GET")) ||
                  slice_equals(request->method, SLICE("POST"));
    if (is_fit) {
        take_ping(ingest, exchange, request);
    } else {
        refuse_method(exchange, ANSWER_PLAIN, "use GET, HEAD or POST",
                      "Allow: GET, HEAD, POST\r\n");
    }
}

static void take_grpc(struct ingest *ingest, struct http_exchange exchange,
                      const struct http_request *request) {
    if (health_take(&ingest->health, exchange, request, atomic_load(ingest->options.is_ready))) {
        return;
    }
    const struct format *format = format_find_grpc(request->path);
    if (format != NULL) {
        take_request(ingest, exchange, format, request);
    } else {
        ingest_refuse(ingest, exchange, ANSWER_GRPC, 404, "no such method");
    }
}

bool ingest_may_begin(void *context, struct hash128 tenant) {
    const struct ingest *ingest = context;
    return !turns_is_over(&ingest->turns, tenant);
}

void ingest_on_request(void *context, struct http_exchange exchange,
                       const struct http_request *request) {
    struct ingest *ingest = context;
    if (grpc_is_request(request)) {
        take_grpc(ingest, exchange, request);
        return;
    }
    if (slice_starts_with(request->path, SLICE("/ping/"))) {
        on_ping(ingest, exchange, request);
        return;
    }
    enum route_name route = route_find(request->path);
    if (route != ROUTE_PING && slice_equals(request->method, SLICE("POST"))) {
        take_typed(ingest, exchange, route, request);
        return;
    }
    if (route != ROUTE_PING) {
        refuse_method(exchange, route_at(route)->style, "use POST", "Allow: POST\r\n");
        return;
    }
    if (liveness_take(exchange, request, atomic_load(ingest->options.is_ready),
                      ingest->started_ns)) {
        return;
    }
    ingest_refuse(
        ingest, exchange, ANSWER_PLAIN, 404,
        "no such path: events go to /v1/events, /v1/logs, /v1/traces, /v1/metrics, "
        "/v1/cloudevents, /v1/edges, /api/v1/lineage, /api/v2/alerts or /ping/<key>/<slug>");
}

void ingest_on_error(void *context, unsigned status, const char *words, struct text *body,
                     const char **content_type_out) {
    (void)context;
    *content_type_out = "application/json";
    answer_error(body, ANSWER_OTLP, status, words);
}

/* The form in which a client understands why its request was not even read. */
static enum answer_style style_of(const struct http_request *request) {
    if (grpc_is_request(request)) {
        return ANSWER_GRPC;
    }
    enum route_name route = route_find(request->path);
    if (route != ROUTE_PING) {
        bool is_proto = route_at(route)->style == ANSWER_OTLP &&
                        media_type_is(media_type_of(request), "application/x-protobuf");
        return is_proto ? ANSWER_PROTO : route_at(route)->style;
    }
    return ANSWER_PLAIN;
}

void ingest_on_refused(void *context, struct http_exchange exchange,
                       const struct http_request *request, unsigned status, const char *words) {
    enum answer_style style = style_of(request);
    bool is_otlp = style == ANSWER_OTLP || style == ANSWER_PROTO;
    /* An exporter drops what is answered 408: it sends again behind 429, 502, 503 and 504 only. */
    ingest_refuse(context, exchange, style, status == 408 && is_otlp ? 503 : status, words);
}
