/*
 * webhook.c - incidents by HTTP POST (Standard Webhooks 1.0.0).
 *
 * Body: {"type":"incident.opened","timestamp":"...","data":{incident}}. Headers: webhook-id (the
 * same over retries), webhook-timestamp (seconds of the attempt), and with secrets
 * webhook-signature: "v1," + base64(HMAC-SHA256(id.timestamp.body)) for each of up to two live
 * secrets, blank-separated.
 *
 * "2xx" is delivered, also when its body breaks off. What says that this message will never do is
 * permanent, and so is a receiver that has moved or is gone for good. Every other answer, and none,
 * is the receiver's state, which may pass: a route that is not deployed yet, a token in rotation.
 */
#include "sinks/webhook.h"

#include "core/base/assert.h"
#include "core/digest.h"
#include "sinks/http_client.h"
#include "sinks/template.h"

enum { SECRETS_MAX = 2, SECRET_BYTES_MAX = 128, HEADERS_MAX = 32 };

struct webhook_secret {
    uint8_t bytes[SECRET_BYTES_MAX];
    size_t size;
};

struct webhook_state {
    const struct config_sink *config;
    struct slice url;
    struct slice template; /* empty: the standard body */
    struct webhook_secret secrets[SECRETS_MAX];
    uint32_t secrets_count;
};

static const char *const setting_names[] = {
    "url", "secret", "secret_previous", "headers", "template", "ca_file", NULL};

/* "whsec_<base64>", or any other text as it is. */
static struct status add_secret(struct webhook_state *state, const char *name,
                                struct fault *fault) {
    struct slice text = sink_setting_find(state->config, name);
    if (text.size == 0) {
        return status_ok();
    }
    struct webhook_secret *secret = &state->secrets[state->secrets_count];
    struct slice prefix = SLICE("whsec_");
    if (slice_starts_with(text, prefix)) {
        struct status status = digest_parse_base64(slice_tail(text, prefix.size), secret->bytes,
                                                   SECRET_BYTES_MAX, &secret->size);
        if (!status_is_ok(status)) {
            return fault_set(fault, STATUS_INVALID, "%s: what follows whsec_ is no base64", name);
        }
        if (secret->size == 0) { /* anybody could sign with it */
            return fault_set(fault, STATUS_INVALID, "%s: nothing follows whsec_", name);
        }
    } else if (text.size > SECRET_BYTES_MAX) {
        return fault_set(fault, STATUS_INVALID, "%s has at most %d bytes", name, SECRET_BYTES_MAX);
    } else {
        memcpy(secret->bytes, text.data, text.size);
        secret->size = text.size;
    }
    state->secrets_count++;
    return status_ok();
}

static bool has_line_break(struct slice text) {
    return slice_find_byte(text, '\r') != text.size || slice_find_byte(text, '\n') != text.size ||
           slice_find_byte(text, 0) != text.size;
}

static bool is_token(struct slice name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                         (byte >= '0' && byte <= '9');
        if (byte == 0 || (!is_letter && strchr("!#$%&'*+-.^_`|~", byte) == NULL)) {
            return false;
        }
    }
    return name.size > 0;
}

/* What is true of each message alone. */
static bool is_ours(struct slice name) {
    static const char *const names[] = {"content-length", "transfer-encoding", "webhook-id",
                                        "webhook-timestamp", "webhook-signature"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equals_ignoring_case(name, slice_of_text(names[i]))) {
            return true;
        }
    }
    return false;
}

static struct status check_header(const struct config_setting *setting, struct slice name,
                                  struct fault *fault) {
    struct slice key = slice_head(setting->key, 128);
    if (!is_token(name) || has_line_break(setting->value)) {
        return fault_set(fault, STATUS_INVALID, "%.*s: %s", SLICE_PRINT(key),
                         is_token(name) ? "a header holds a line break"
                                        : "this is no name of a header");
    }
    if (is_ours(name)) {
        return fault_set(fault, STATUS_INVALID, "%.*s: quell itself says this header",
                         SLICE_PRINT(key));
    }
    if (name.size + sizeof(": ") - 1 + setting->value.size > SINK_HEADER_BYTES_MAX) {
        return fault_set(fault, STATUS_INVALID, "%.*s: a header has at most %d bytes",
                         SLICE_PRINT(key), SINK_HEADER_BYTES_MAX);
    }
    return status_ok();
}

static struct status check_headers(const struct config_sink *config, struct fault *fault) {
    const struct slice prefix = SLICE("headers.");
    struct status status = status_ok();
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->settings_count; i++) {
        const struct config_setting *setting = &config->settings[i];
        if (slice_starts_with(setting->key, prefix)) {
            struct fault one;
            struct status next = check_header(setting, slice_tail(setting->key, prefix.size), &one);
            status = fault_join(fault, status, next, &one);
            count++;
        }
    }
    TRY(status);
    return count <= HEADERS_MAX - 6
               ? status_ok()
               : fault_set(fault, STATUS_INVALID, "at most %d headers", HEADERS_MAX - 6);
}

static struct status check_url(struct slice url, struct fault *fault) {
    if (url.size > SINK_URL_BYTES_MAX) {
        return fault_set(fault, STATUS_INVALID, "url has at most %d bytes", SINK_URL_BYTES_MAX);
    }
    return http_url_is_sound(url)
               ? status_ok()
               : fault_set(fault, STATUS_INVALID, "%s",
                           url.size == 0 ? "url = \"https://...\" is missing"
                                         : "url is no http:// or https:// address");
}

static struct status webhook_open(const struct config_sink *config, struct arena *arena,
                                  void **state_out, struct fault *fault) {
    struct webhook_state *state = ARENA_NEW(arena, struct webhook_state);
    if (state == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    struct fault one;
    state->config = config;
    state->url = sink_setting_find(config, "url");
    state->template = sink_setting_find(config, "template");
    struct status status = check_url(state->url, fault);
    struct status next = template_check(state->template, &one);
    status = fault_join(fault, status, next, &one);
    next = check_headers(config, &one);
    status = fault_join(fault, status, next, &one);
    next = add_secret(state, "secret", &one);
    status = fault_join(fault, status, next, &one);
    next = add_secret(state, "secret_previous", &one);
    TRY(fault_join(fault, status, next, &one));
    *state_out = state;
    return status_ok();
}

/* --- One request --- */

static struct status build_body(const struct webhook_state *state,
                                const struct outbox_message *message, struct arena *arena,
                                struct slice *body_out) {
    bool is_own = state->template.size > 0;
    size_t capacity =
        is_own ? template_bytes(state->template, message) + 1 : message->payload.size + 256;
    char *memory = arena_allocate(arena, capacity, 1);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    struct text body = text_over(memory, capacity);
    if (is_own) {
        template_add(&body, state->template, message);
        *body_out = text_slice(&body);
        return status_ok();
    }
    text_add_text(&body, "{\"type\":\"incident.");
    text_add(&body, outbox_type_word(message->type));
    text_add_text(&body, "\",\"timestamp\":\"");
    text_add_time(&body, message->created_ns, 3);
    text_add_text(&body, "\",\"data\":");
    text_add(&body, message->payload);
    text_add_char(&body, '}');
    ASSERT(!body.truncated);
    *body_out = text_slice(&body);
    return status_ok();
}

struct request_build {
    struct arena *arena;
    struct sink_request *request;
    bool is_full;
};

static void add_header(struct request_build *build, struct slice name, struct slice value) {
    size_t capacity = name.size + value.size + 4;
    char *memory = arena_allocate(build->arena, capacity, 1);
    if (memory == NULL || build->request->headers_count == HEADERS_MAX) {
        build->is_full = true;
        return;
    }
    struct text line = text_over(memory, capacity);
    text_add(&line, name);
    text_add_text(&line, ": ");
    text_add(&line, value);
    build->request->headers[build->request->headers_count++] = text_slice(&line);
}

static void add_signatures(struct request_build *build, const struct webhook_state *state,
                           struct slice id, struct slice timestamp, struct slice body) {
    if (state->secrets_count == 0) {
        return;
    }
    char memory[SECRETS_MAX * 64];
    struct text value = text_over(memory, sizeof(memory));
    for (uint32_t i = 0; i < state->secrets_count; i++) {
        uint8_t digest[DIGEST_SHA256_BYTES];
        struct slice parts[] = {id, SLICE("."), timestamp, SLICE("."), body};
        digest_hmac_sha256(slice_of(state->secrets[i].bytes, state->secrets[i].size), parts, 5,
                           digest);
        text_add_text(&value, i == 0 ? "v1," : " v1,");
        text_add_base64(&value, slice_of(digest, sizeof(digest)));
    }
    add_header(build, SLICE("webhook-signature"), text_slice(&value));
}

/* Unless the sink's own headers say it. */
static void add_usual_header(struct request_build *build, const struct webhook_state *state,
                             const char *key, struct slice value) {
    const struct slice prefix = SLICE("headers.");
    struct slice given = slice_of_text(key);
    for (uint32_t i = 0; i < state->config->settings_count; i++) {
        if (slice_equals_ignoring_case(state->config->settings[i].key, given)) {
            return;
        }
    }
    add_header(build, slice_tail(given, prefix.size), value);
}

static void add_own_headers(struct request_build *build, const struct webhook_state *state) {
    const size_t prefix = sizeof("headers.") - 1;
    for (uint32_t i = 0; i < state->config->settings_count; i++) {
        const struct config_setting *setting = &state->config->settings[i];
        if (slice_starts_with(setting->key, SLICE("headers."))) {
            add_header(build, slice_tail(setting->key, prefix), setting->value);
        }
    }
}

static struct status webhook_build(void *context, const struct sink_delivery *delivery,
                                   struct arena *arena, struct sink_request *request_out,
                                   struct fault *fault) {
    const struct webhook_state *state = context;
    struct sink_request request = {.url = state->url};
    request.headers = ARENA_ARRAY(arena, struct slice, HEADERS_MAX);
    struct status status = build_body(state, &delivery->message, arena, &request.body);
    if (request.headers == NULL || !status_is_ok(status)) {
        return fault_set(fault, STATUS_FULL, "no memory for a request");
    }
    char id_memory[64];
    char timestamp_memory[32];
    struct text id = text_over(id_memory, sizeof(id_memory));
    struct text timestamp = text_over(timestamp_memory, sizeof(timestamp_memory));
    text_add_text(&id, "msg_");
    text_add_base32(&id, delivery->message.message_id);
    text_add_u64(&timestamp, delivery->now_ns / NS_PER_S);
    struct request_build build = {arena, &request, false};
    add_usual_header(&build, state, "headers.Content-Type", SLICE("application/json"));
    add_usual_header(&build, state, "headers.User-Agent", SLICE("quell/" QUELL_VERSION));
    add_header(&build, SLICE("webhook-id"), text_slice(&id));
    add_header(&build, SLICE("webhook-timestamp"), text_slice(&timestamp));
    add_signatures(&build, state, text_slice(&id), text_slice(&timestamp), request.body);
    add_own_headers(&build, state);
    if (build.is_full) {
        return fault_set(fault, STATUS_FULL, "no memory for a request");
    }
    *request_out = request;
    return status_ok();
}

/* RFC 9110, 15: moved for good, a bad request, at odds with what is there (a receiver that has it
 * already), gone, what has no length, is too large, of no type that is taken or cannot be
 * processed; RFC 6585: headers too large. */
static bool is_final(long status) {
    static const short finals[] = {301, 308, 400, 409, 410, 411, 413, 415, 422, 431};
    for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
        if (status == finals[i]) {
            return true;
        }
    }
    return false;
}

static enum sink_verdict webhook_read(void *state, const struct sink_delivery *delivery,
                                      const struct sink_response *response, struct text *memory) {
    (void)state;
    (void)delivery;
    (void)memory;
    long status = response->http_status;
    if (status >= 200 && status < 300) {
        return SINK_DELIVERED;
    }
    return is_final(status) ? SINK_GIVE_UP : SINK_RETRY;
}

const struct sink_type sink_webhook_type = {
    .abi_version = SINK_ABI_VERSION,
    .name = "webhook",
    .setting_names = setting_names,
    .open = webhook_open,
    .build_request = webhook_build,
    .read_response = webhook_read,
};
