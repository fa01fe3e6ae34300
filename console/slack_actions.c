/*
 * slack_actions.c - a click on a Slack message's button: POST /api/v1/slack/interactions.
 *
 * Slack proves itself by a signature over the raw body with the sink's signing_secret
 * (core/slack_action.h, https://docs.slack.dev/authentication/verifying-requests-from-slack); no
 * token is asked for. Which sink's secret stands in the button's value, inside what is signed. A
 * tenant's own sink can act for that tenant alone; a sink of the defaults for tenants that have
 * none of that name. Whatever is wrong with the signature is the same 401.
 *
 * Slack wants 200 within three seconds and shows anything else as a failure; what can be done no
 * more (the incident is resolved, or gone) is 200 too. Acknowledging twice changes nothing, so a
 * request that is played again within its five minutes does no harm.
 */
#include "console/console_internal.h"

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/slack_action.h"

enum { VALUE_BYTES_MAX = 600, WORD_BYTES_MAX = 200 };

/* A click, as far as it was read. */
struct click {
    char value_memory[VALUE_BYTES_MAX];
    struct slice incident;
    struct slice tenant;
    struct slice sink;
    char by_memory[FIELD_BYTES_MAX];
    struct text by;
    bool is_acknowledge;
};

/* application/x-www-form-urlencoded: '+' is a blank. */
static bool read_payload(struct console *console, struct slice body, struct slice *payload_out) {
    struct text room = console_text(console);
    size_t size = 0;
    char *copy = room.data;
    if (body.size >= room.capacity / 2) {
        return false;
    }
    for (size_t i = 0; i < body.size; i++) {
        copy[i] = (char)(body.data[i] == '+' ? ' ' : body.data[i]);
    }
    char *payload = room.data + body.size;
    bool is_there = http_query_find(slice_of(copy, body.size), "payload", payload,
                                    room.capacity - body.size, &size);
    *payload_out = slice_of(payload, size);
    return is_there;
}

/* "<incident> <tenant> <sink>"; a sink's name may hold blanks. */
static bool split_value(struct click *click, struct slice value) {
    size_t first = slice_find_byte(value, ' ');
    struct slice rest = slice_tail(value, first + 1);
    size_t second = slice_find_byte(rest, ' ');
    click->incident = slice_head(value, first);
    click->tenant = slice_head(rest, second);
    click->sink = slice_tail(rest, second + 1);
    return click->incident.size > 0 && click->tenant.size > 0 && click->sink.size > 0;
}

/* "slack: ann (U123)". */
static void read_user(struct click *click, struct slice payload) {
    char name_memory[WORD_BYTES_MAX];
    char id_memory[WORD_BYTES_MAX];
    struct text name = text_over(name_memory, sizeof(name_memory));
    struct text id = text_over(id_memory, sizeof(id_memory));
    struct slice user = json_pick(payload, "user");
    json_pick_text(user, "username", &name);
    json_pick_text(user, "id", &id);
    click->by = text_over(click->by_memory, sizeof(click->by_memory));
    text_add_text(&click->by, "slack: ");
    text_add_printable(&click->by, text_slice(&name));
    text_add_text(&click->by, " (");
    text_add_printable(&click->by, text_slice(&id));
    text_add_char(&click->by, ')');
}

static bool read_click(struct slice payload, struct click *click) {
    char action_memory[WORD_BYTES_MAX];
    struct text action = text_over(action_memory, sizeof(action_memory));
    struct text value = text_over(click->value_memory, sizeof(click->value_memory));
    struct slice actions = json_pick(payload, "actions");
    struct slice item;
    if (!json_pick_item(&actions, &item)) {
        return false;
    }
    json_pick_text(item, "action_id", &action);
    json_pick_text(item, "value", &value);
    click->is_acknowledge = slice_equals(text_slice(&action), SLICE(SLACK_ACTION_ACKNOWLEDGE));
    read_user(click, payload);
    return !value.truncated && split_value(click, text_slice(&value));
}

/* --- The signature --- */

static struct slice secret_of(const struct config *config, const struct click *click) {
    const struct config_sink *sink = config_find_sink(config, click->tenant, click->sink);
    sink = sink != NULL ? sink : config_find_sink(config, slice_of(NULL, 0), click->sink);
    for (uint32_t i = 0; sink != NULL && i < sink->settings_count; i++) {
        if (slice_equals(sink->type, SLICE("slack")) &&
            slice_equals(sink->settings[i].key, SLICE(SLACK_SETTING_SECRET))) {
            return sink->settings[i].value;
        }
    }
    return slice_of(NULL, 0);
}

static bool is_fresh(struct slice seconds_text) {
    uint64_t seconds = 0;
    uint64_t now_ns = clock_wall_ns();
    if (!status_is_ok(text_parse_u64(seconds_text, &seconds)) || seconds > UINT32_MAX * 4ull) {
        return false;
    }
    uint64_t at_ns = seconds * NS_PER_S;
    return (at_ns > now_ns ? at_ns - now_ns : now_ns - at_ns) <= SLACK_STALE_NS;
}

static bool is_signed(const struct http_request *request, struct slice secret) {
    struct slice signature = http_header_find(request, "x-slack-signature");
    struct slice seconds = http_header_find(request, "x-slack-request-timestamp");
    uint8_t given[DIGEST_SHA256_BYTES];
    uint8_t wanted[DIGEST_SHA256_BYTES];
    const struct slice parts[] = {SLICE("v0:"), seconds, SLICE(":"), request->body};
    if (secret.size == 0 || !is_fresh(seconds) || !slice_starts_with(signature, SLICE("v0=")) ||
        !status_is_ok(text_parse_hex(slice_tail(signature, 3), given, sizeof(given)))) {
        return false;
    }
    digest_hmac_sha256(secret, parts, 4, wanted);
    return digest_equals(given, wanted, sizeof(wanted));
}

/* --- The request --- */

static void acknowledge(struct console *console, struct http_exchange exchange,
                        const struct click *click) {
    char tenant[TENANT_BYTES_MAX];
    size_t tenant_size = 0;
    struct operator_request operation = {
        .action = OPERATOR_ACKNOWLEDGE, .by = text_slice(&click->by), .note = SLICE("in Slack")};
    bool is_found = status_is_ok(view_find_incident(console->reader, click->incident,
                                                    &operation.incident_id, tenant, &tenant_size));
    operation.tenant = slice_of(tenant, tenant_size);
    if (!is_found || !slice_equals(operation.tenant, click->tenant) ||
        action_is_too_late(console, click->incident)) {
        http_respond(exchange, 200, NULL, NULL, slice_of(NULL, 0));
        return;
    }
    action_send_quietly(console, exchange, click->incident, &operation);
}

void slack_on_request(struct console *console, struct http_exchange exchange,
                      const struct http_request *request) {
    struct click click = {0};
    struct slice payload;
    if (!console_allow_method(exchange, request, true)) {
        return;
    }
    if (!read_payload(console, request->body, &payload) || !read_click(payload, &click) ||
        !is_signed(request, secret_of(console->config, &click))) {
        console_answer_error(exchange, 401, "unauthorized", "this is not signed by Slack");
        return;
    }
    if (click.is_acknowledge) {
        acknowledge(console, exchange, &click);
    } else { /* a button that only opens a page tells us, too */
        http_respond(exchange, 200, NULL, NULL, slice_of(NULL, 0));
    }
}
