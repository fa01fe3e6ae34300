/*
 * slack.c - incidents in a Slack channel, by an incoming webhook or by a bot's token.
 *
 * Incoming webhook (url = "https://hooks.slack.com/..."): each message stands alone; such a webhook
 * can neither edit nor thread. Bot (token = "xoxb-...", channel = "#oncall" or an id; scope
 * chat:write):
 *
 *   opened            step 0  chat.postMessage; its channel and ts are remembered
 *   updated/resolved  step 0  chat.update of that first message, so that the channel shows the
 *                             present state
 *                     step 1  chat.postMessage in its thread: what changed
 *
 * updates = "thread" leaves step 0 out, "edit" step 1. The memory is "channel ts version"; it
 * returns through the journal (core/outbox.h), so a restart goes on in the same thread. Slack has
 * no key against doubles: an attempt whose answer was lost is posted again.
 *
 * 429 (Retry-After), 5xx, no answer and the errors that Slack calls its own are retried; every
 * other answer is permanent.
 */
#include "sinks/slack.h"

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"
#include "core/slack_action.h"
#include "sinks/http_client.h"
#include "sinks/slack_blocks.h"

enum {
    BODY_BYTES_MAX = 48 * 1024,
    HEADERS_MAX = 3,
    CHANNEL_BYTES_MAX = 80,
    TOKEN_BYTES_MAX = 1024,
    LINK_BYTES_MAX = 1000,
    CALL_BYTES_MAX = 32, /* behind api_url */
    URL_BYTES_MAX = SINK_URL_BYTES_MAX - CALL_BYTES_MAX,
};

enum slack_updates { UPDATES_BOTH, UPDATES_THREAD, UPDATES_EDIT };

struct slack_state {
    struct slice url; /* of the incoming webhook; empty: a bot */
    struct slice api_url;
    struct slice token;
    struct slice channel;
    enum slack_updates updates;
    struct slack_links links;
    bool is_interactive; /* there is a secret that Slack signs clicks with */
};

static const char *const setting_names[] = {
    "url",     "token",    "channel",         "api_url",
    "updates", "open_url", "acknowledge_url", SLACK_SETTING_SECRET,
    "ca_file", NULL};

/* --- Settings --- */

static bool is_visible_ascii(struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7F) {
            return false;
        }
    }
    return true;
}

static bool is_url(struct slice text) {
    return text.size <= URL_BYTES_MAX && is_visible_ascii(text) &&
           (slice_starts_with(text, SLICE("https://")) ||
            slice_starts_with(text, SLICE("http://")));
}

static struct status check_bot(const struct slack_state *state, struct fault *fault) {
    struct fault one;
    struct status status = status_ok();
    bool is_token = state->token.size > 0 && state->token.size <= TOKEN_BYTES_MAX &&
                    is_visible_ascii(state->token);
    if (!is_token) {
        status = fault_set(fault, STATUS_INVALID, "token = \"xoxb-...\" is missing or no token");
    }
    if (state->channel.size == 0 || state->channel.size > CHANNEL_BYTES_MAX) {
        struct status next =
            fault_set(&one, STATUS_INVALID, "channel = \"#name\" is missing or too long");
        status = fault_join(fault, status, next, &one);
    }
    if (!is_url(state->api_url) || !http_url_is_sound(state->api_url)) {
        struct status next = fault_set(&one, STATUS_INVALID, "api_url is no address");
        status = fault_join(fault, status, next, &one);
    }
    return status;
}

static struct status check_address(const struct slack_state *state, struct fault *fault) {
    bool is_bot = state->token.size > 0 || state->channel.size > 0;
    if (is_bot == (state->url.size > 0)) {
        return fault_set(fault, STATUS_INVALID,
                         "url = \"https://hooks.slack.com/...\", or else token and channel");
    }
    if (!is_bot) {
        return is_url(state->url) && http_url_is_sound(state->url)
                   ? status_ok()
                   : fault_set(fault, STATUS_INVALID,
                               "url is no https:// address of up to %d bytes", URL_BYTES_MAX);
    }
    return check_bot(state, fault);
}

static struct status read_updates(struct slice word, enum slack_updates *updates_out,
                                  struct fault *fault) {
    static const char *const words[] = {
        [UPDATES_BOTH] = "both", [UPDATES_THREAD] = "thread", [UPDATES_EDIT] = "edit"};
    for (uint32_t i = 0; i < 3; i++) {
        if (word.size == 0 || slice_equals(word, slice_of_text(words[i]))) {
            *updates_out = (enum slack_updates)i;
            return status_ok();
        }
    }
    return fault_set(fault, STATUS_INVALID, "updates is \"both\", \"thread\" or \"edit\"");
}

static struct status check_link(struct slice link, const char *name, struct fault *fault) {
    bool is_good = link.size == 0 || (is_url(link) && link.size <= LINK_BYTES_MAX);
    return is_good ? status_ok()
                   : fault_set(fault, STATUS_INVALID, "%s is no address of up to %d bytes", name,
                               LINK_BYTES_MAX);
}

static struct status slack_open(const struct config_sink *config, struct arena *arena,
                                void **state_out, struct fault *fault) {
    struct slack_state *state = ARENA_NEW(arena, struct slack_state);
    if (state == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    state->url = sink_setting_find(config, "url");
    state->token = sink_setting_find(config, "token");
    state->channel = sink_setting_find(config, "channel");
    state->api_url = sink_setting_find(config, "api_url");
    state->api_url = state->api_url.size > 0 ? state->api_url : SLICE("https://slack.com/api");
    if (state->api_url.data[state->api_url.size - 1] == '/') {
        state->api_url.size--;
    }
    state->links.open_url = sink_setting_find(config, "open_url");
    state->links.acknowledge_url = sink_setting_find(config, "acknowledge_url");
    struct slice secret = sink_setting_find(config, SLACK_SETTING_SECRET);
    state->is_interactive = secret.size > 0;
    if (secret.size > TOKEN_BYTES_MAX ||
        (secret.size > 0 && state->links.acknowledge_url.size > 0)) {
        return fault_set(fault, STATUS_INVALID, "either signing_secret or acknowledge_url");
    }
    struct fault one;
    struct status status = check_address(state, fault);
    struct status next = read_updates(sink_setting_find(config, "updates"), &state->updates, &one);
    status = fault_join(fault, status, next, &one);
    next = check_link(state->links.open_url, "open_url", &one);
    status = fault_join(fault, status, next, &one);
    next = check_link(state->links.acknowledge_url, "acknowledge_url", &one);
    TRY(fault_join(fault, status, next, &one));
    *state_out = state;
    return status_ok();
}

/* --- One request --- */

/* What a message needs next. */
enum slack_call { CALL_WEBHOOK, CALL_POST, CALL_UPDATE, CALL_REPLY };

struct slack_place {
    struct slice channel;
    struct slice ts;
    uint64_t version; /* of the incident, as the first message shows it */
};

/* "channel ts version"; all empty when nothing is remembered. */
static struct slack_place place_of(struct slice memory) {
    size_t blank = slice_find_byte(memory, ' ');
    struct slice rest = slice_tail(memory, blank + 1);
    struct slack_place place = {.channel = slice_head(memory, blank)};
    size_t end = slice_find_byte(rest, ' ');
    place.ts = slice_head(rest, end);
    if (!status_is_ok(text_parse_u64(slice_tail(rest, end + 1), &place.version))) {
        place.version = 0;
    }
    return place;
}

static enum slack_call call_of(const struct slack_state *state,
                               const struct sink_delivery *delivery) {
    if (state->url.size > 0) {
        return CALL_WEBHOOK;
    }
    if (delivery->memory.size == 0) {
        return CALL_POST;
    }
    bool is_edit = state->updates != UPDATES_THREAD && delivery->step == 0;
    /* A dead letter sent again late must not show an old state as the present one. */
    bool is_late = delivery->message.incident_version < place_of(delivery->memory).version;
    return is_edit && !is_late ? CALL_UPDATE : CALL_REPLY;
}

static void add_body(struct text *json, const struct slack_state *state,
                     const struct sink_delivery *delivery, enum slack_call call) {
    struct slack_place place = place_of(delivery->memory);
    text_add_char(json, '{');
    if (call != CALL_WEBHOOK) {
        text_add_text(json, "\"channel\":");
        text_add_json_string(json, call == CALL_POST ? state->channel : place.channel);
        text_add_char(json, ',');
    }
    if (call == CALL_UPDATE || call == CALL_REPLY) {
        text_add_text(json, call == CALL_UPDATE ? "\"ts\":" : "\"thread_ts\":");
        text_add_json_string(json, place.ts);
        text_add_char(json, ',');
    }
    /* Nothing in our text is a name or an address for Slack to find and act upon. */
    text_add_text(json, "\"parse\":\"none\",\"link_names\":false,\"unfurl_links\":false,"
                        "\"unfurl_media\":false,");
    struct slack_told told = {.type = delivery->message.type};
    /* What is edited shows the state and reminds nobody. */
    told.is_repeat =
        told.type == OUTBOX_UPDATED && delivery->message.is_repeat && call != CALL_UPDATE;
    if (call == CALL_REPLY) {
        slack_add_reply(json, told, delivery->message.payload);
    } else {
        struct slack_links links = state->links;
        links.acknowledge_sink = state->is_interactive ? delivery->message.sink : slice_of(NULL, 0);
        slack_add_message(json, told, delivery->message.payload, &links);
    }
    text_add_char(json, '}');
}

static bool add_line(struct sink_request *request, struct arena *arena, const char *name,
                     struct slice value) {
    size_t capacity = strlen(name) + value.size + 1;
    char *memory = arena_allocate(arena, capacity, 1);
    if (memory == NULL) {
        return false;
    }
    struct text line = text_over(memory, capacity);
    text_add_text(&line, name);
    text_add(&line, value);
    request->headers[request->headers_count++] = text_slice(&line);
    return true;
}

static bool set_url(struct sink_request *request, const struct slack_state *state,
                    struct arena *arena, enum slack_call call) {
    size_t capacity = state->api_url.size + CALL_BYTES_MAX;
    char *memory = arena_allocate(arena, capacity, 1);
    if (memory == NULL) {
        return false;
    }
    struct text url = text_over(memory, capacity);
    text_add(&url, state->api_url);
    text_add_text(&url, call == CALL_UPDATE ? "/chat.update" : "/chat.postMessage");
    request->url = call == CALL_WEBHOOK ? state->url : text_slice(&url);
    return true;
}

static struct status slack_build(void *context, const struct sink_delivery *delivery,
                                 struct arena *arena, struct sink_request *request_out,
                                 struct fault *fault) {
    const struct slack_state *state = context;
    enum slack_call call = call_of(state, delivery);
    struct sink_request request = {.headers = ARENA_ARRAY(arena, struct slice, HEADERS_MAX)};
    char *memory = arena_allocate(arena, BODY_BYTES_MAX, 1);
    bool is_made =
        request.headers != NULL && memory != NULL && set_url(&request, state, arena, call) &&
        add_line(&request, arena, "Content-Type: application/json; charset=utf-8", SLICE("")) &&
        (call == CALL_WEBHOOK || add_line(&request, arena, "Authorization: Bearer ", state->token));
    if (!is_made) {
        return fault_set(fault, STATUS_FULL, "no memory for a request");
    }
    struct text body = text_over(memory, BODY_BYTES_MAX);
    add_body(&body, state, delivery, call);
    ASSERT(!body.truncated);
    request.body = text_slice(&body);
    *request_out = request;
    return status_ok();
}

/* --- One answer --- */

static bool word_is_in(struct slice word, const char *const *words) {
    for (; *words != NULL; words++) {
        if (slice_equals(word, slice_of_text(*words))) {
            return true;
        }
    }
    return false;
}

/* {"ok":false,"error":"..."} */
static enum sink_verdict read_refusal(struct slice body, enum slack_call call) {
    static const char *const passing[] = {
        "ratelimited",         "rate_limited",    "internal_error",    "fatal_error",
        "service_unavailable", "request_timeout", "team_added_to_org", NULL};
    /* The first message cannot be edited any more: the thread can still be told. */
    static const char *const uneditable[] = {"message_not_found", "cant_update_message",
                                             "edit_window_closed", "is_inactive", NULL};
    char memory[128];
    struct text error = text_over(memory, sizeof(memory));
    json_pick_text(body, "error", &error);
    if (word_is_in(text_slice(&error), passing)) {
        return SINK_RETRY;
    }
    return call == CALL_UPDATE && word_is_in(text_slice(&error), uneditable) ? SINK_CONTINUE
                                                                             : SINK_GIVE_UP;
}

static bool is_word_of(struct slice text, const char *others) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool is_letter = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                         (byte >= 'a' && byte <= 'z');
        if (byte == 0 || (!is_letter && strchr(others, byte) == NULL)) {
            return false;
        }
    }
    return text.size > 0;
}

static void add_place(struct text *memory, struct slice channel, struct slice ts,
                      uint32_t version) {
    text_add(memory, channel);
    text_add_char(memory, ' ');
    text_add(memory, ts);
    text_add_char(memory, ' ');
    text_add_u64(memory, version);
}

/* Slack says the channel's id; what only speaks like Slack may say nothing of it. */
static void remember_place(const struct slack_state *state, struct slice body, uint32_t version,
                           struct text *memory) {
    char channel_memory[64];
    char ts_memory[48];
    struct text channel = text_over(channel_memory, sizeof(channel_memory));
    struct text ts = text_over(ts_memory, sizeof(ts_memory));
    json_pick_text(body, "channel", &channel);
    json_pick_text(body, "ts", &ts);
    struct slice place = channel.size > 0 ? text_slice(&channel) : state->channel;
    bool is_short = place.size < sizeof(channel_memory);
    if (is_short && is_word_of(place, channel.size > 0 ? "" : "#@-_.") &&
        is_word_of(text_slice(&ts), ".")) {
        add_place(memory, place, text_slice(&ts), version);
    }
}

static enum sink_verdict slack_read(void *context, const struct sink_delivery *delivery,
                                    const struct sink_response *response, struct text *memory) {
    const struct slack_state *state = context;
    enum slack_call call = call_of(state, delivery);
    long status = response->http_status;
    if (status < 200 || status >= 300) {
        bool is_transient = status == 0 || status == 408 || status == 429 || status >= 500;
        return is_transient ? SINK_RETRY : SINK_GIVE_UP;
    }
    if (call == CALL_WEBHOOK) {
        return SINK_DELIVERED;
    }
    if (response->error.size > 0) {
        return SINK_RETRY; /* the answer broke off: it may have said no, and where the message is */
    }
    if (!slice_equals(json_pick(response->body, "ok"), SLICE("true"))) {
        return read_refusal(response->body, call);
    }
    uint32_t version = delivery->message.incident_version;
    struct slack_place place = place_of(delivery->memory);
    if (call == CALL_POST) {
        remember_place(state, response->body, version, memory);
    } else if (call == CALL_UPDATE) {
        add_place(memory, place.channel, place.ts, version);
    }
    return call == CALL_UPDATE && state->updates == UPDATES_BOTH ? SINK_CONTINUE : SINK_DELIVERED;
}

const struct sink_type sink_slack_type = {
    .abi_version = SINK_ABI_VERSION,
    .name = "slack",
    .setting_names = setting_names,
    .open = slack_open,
    .build_request = slack_build,
    .read_response = slack_read,
    .rate_per_minute = 60, /* "1 message a second and channel" */
};
