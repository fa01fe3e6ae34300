/*
 * silences_api.c - operators make, list and end silences. A tenant's token makes and sees its own
 * alone.
 *
 *   GET  /api/v1/silences
 *   POST /api/v1/silences              {"severity":">=error","entity":"job:load_*","owner":"data",
 *                                       "labels":{"team":"x"},"start":"...","end":"..." or
 *                                       "duration":"2h","reason":"...","by":"...","tenant":"x"}
 *   POST /api/v1/silences/<id>/expire  {"by":"...","note":"..."}
 */
#include "console/console_internal.h"

#include "core/base/json_pick.h"
#include "core/clock.h"

#define SILENCE_NS_MAX (366 * NS_PER_DAY)

/* What a body says; its memory. */
struct asked {
    char severity[32];
    char entity[ENTITY_BYTES_MAX + 1];
    char owner[LABEL_BYTES_MAX + 1];
    char keys[POLICY_LABELS_MAX][LABEL_BYTES_MAX + 1];
    char values[POLICY_LABELS_MAX][LABEL_BYTES_MAX + 1];
    char reason[LABEL_BYTES_MAX + 1];
    char by[LABEL_BYTES_MAX + 1];
    char time[64];
    char tenant[TENANT_BYTES_MAX + 1];
    struct policy_silence silence;
};

/* NULL, or what is wrong with it. */
static const char *read_word(struct slice body, const char *name, char *memory, size_t capacity,
                             struct slice *value_out) {
    struct text text = text_over(memory, capacity);
    struct slice raw = json_pick(body, name);
    if (raw.size > 0 && raw.data[0] != '"') {
        return "a member that should be a string is none";
    }
    json_pick_unescape(raw, &text);
    *value_out = text_slice(&text);
    return text.truncated ? "a string is too long" : NULL;
}

/* Whether the member is there, and says something. */
static bool says_something(struct slice body, const char *name) {
    struct slice raw = json_pick(body, name);
    return raw.size > 0 && !slice_equals(raw, SLICE("null")) && !slice_equals(raw, SLICE("\"\""));
}

static const char *read_labels(struct slice object, struct asked *asked) {
    struct policy_match *match = &asked->silence.match;
    size_t at = slice_find_byte(object, '"');
    if (object.size > 0 && object.data[0] != '{') {
        return "labels is an object of strings";
    }
    while (at < object.size) {
        if (match->labels_count == POLICY_LABELS_MAX) {
            return "too many labels";
        }
        struct slice rest = slice_tail(object, at + 1);
        struct text key = text_over(asked->keys[match->labels_count], LABEL_BYTES_MAX + 1);
        text_add(&key, slice_head(rest, slice_find_byte(rest, '"')));
        struct policy_label *label = &match->labels[match->labels_count];
        const char *error = read_word(object, key.data, asked->values[match->labels_count],
                                      LABEL_BYTES_MAX + 1, &label->value);
        struct slice raw = json_pick(object, key.data);
        if (error != NULL || raw.size == 0 || key.truncated) {
            return "labels is an object of short strings";
        }
        label->key = text_slice(&key);
        match->labels_count++;
        size_t behind = (size_t)(raw.data - object.data) + raw.size;
        at = behind + slice_find_byte(slice_tail(object, behind), '"');
    }
    return NULL;
}

static const char *read_match(struct slice body, struct asked *asked) {
    struct policy_match *match = &asked->silence.match;
    struct slice severity;
    const char *error =
        read_word(body, "severity", asked->severity, sizeof(asked->severity), &severity);
    error = error != NULL ? error
                          : read_word(body, "entity", asked->entity, sizeof(asked->entity),
                                      &match->entity_glob);
    error = error != NULL
                ? error
                : read_word(body, "owner", asked->owner, sizeof(asked->owner), &match->owner_glob);
    if (error == NULL && severity.size > 0 &&
        !status_is_ok(policy_severity_parse(severity, match))) {
        error = "severity is such as \">=error\" or \"info\"";
    }
    return error != NULL ? error : read_labels(json_pick(body, "labels"), asked);
}

static const char *read_end(struct slice body, struct asked *asked) {
    struct policy_silence *silence = &asked->silence;
    struct slice words;
    uint64_t span_ns = 0;
    const char *error = read_word(body, "duration", asked->time, sizeof(asked->time), &words);
    if (error == NULL && words.size > 0 && says_something(body, "end")) {
        return "end and duration are both given: one of them";
    }
    if (error != NULL || words.size > 0) {
        if (error != NULL || !status_is_ok(text_parse_duration(words, &span_ns)) ||
            span_ns > SILENCE_NS_MAX) {
            return "duration is such as \"30m\" or \"2h\", at most a year";
        }
        silence->end_ns = silence->start_ns + span_ns;
        return NULL;
    }
    error = read_word(body, "end", asked->time, sizeof(asked->time), &words);
    if (error == NULL && words.size == 0) {
        return "end (a time) or duration (such as \"2h\") is missing";
    }
    return error != NULL || !status_is_ok(text_parse_time(words, &silence->end_ns))
               ? "end is a time such as 2026-11-20T22:00:00Z"
               : NULL;
}

static const char *read_span(struct slice body, struct asked *asked, uint64_t now_ns) {
    struct policy_silence *silence = &asked->silence;
    struct slice words;
    silence->start_ns = now_ns;
    const char *error = read_word(body, "start", asked->time, sizeof(asked->time), &words);
    if (error != NULL ||
        (words.size > 0 && !status_is_ok(text_parse_time(words, &silence->start_ns)))) {
        return "start is a time such as 2026-11-20T22:00:00Z";
    }
    error = read_end(body, asked);
    if (error != NULL) {
        return error;
    }
    bool is_sound = silence->end_ns > silence->start_ns && silence->end_ns > now_ns &&
                    silence->end_ns - silence->start_ns <= SILENCE_NS_MAX;
    return is_sound ? NULL : "a silence ends after its start and after now, within a year";
}

/* A whole object: of one that was cut off the matching half may be what is missing. */
static bool is_whole(struct slice body) {
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    return slice_starts_with(slice_trim(body), SLICE("{")) &&
           status_is_ok(fields_read(body, &by, &note));
}

static const char *read_silence(struct slice body, struct asked *asked, uint64_t now_ns) {
    struct policy_silence *silence = &asked->silence;
    const char *error =
        is_whole(body) ? read_match(body, asked) : "the body is a JSON object of strings";
    error = error != NULL ? error : read_span(body, asked, now_ns);
    error = error != NULL
                ? error
                : read_word(body, "reason", asked->reason, sizeof(asked->reason), &silence->reason);
    error =
        error != NULL ? error : read_word(body, "by", asked->by, sizeof(asked->by), &silence->who);
    if (error == NULL && (silence->reason.size == 0 || silence->who.size == 0)) {
        error = silence->reason.size > 0 ? "by is missing: somebody will ask who silenced it"
                                         : "reason is missing: somebody will ask why";
    }
    const struct policy_match *match = &silence->match;
    if (error == NULL && json_pick(body, "severity").size == 0 && match->entity_glob.size == 0 &&
        match->owner_glob.size == 0 && match->labels_count == 0) {
        error = "say what is silenced: severity, entity, owner or labels; entity \"*\" is all";
    }
    return error;
}

/* Whose it is: `tenant` where the query or the token says so, else as the body says it, as one that
 * was listed does; passed over, that would mute somebody else. */
static const char *read_owner(struct slice body, struct slice tenant, struct asked *asked,
                              struct slice *owner_out) {
    struct slice named = {0};
    if (says_something(body, "tenant")) {
        const char *error = read_word(body, "tenant", asked->tenant, sizeof(asked->tenant), &named);
        if (error != NULL) {
            return error;
        }
    }
    if (tenant.size > 0 && named.size > 0 && !slice_equals(tenant, named)) {
        return "the body names another tenant than the query or the token";
    }
    if (tenant.size > TENANT_BYTES_MAX) {
        return "no tenant has so long a name";
    }
    named = tenant.size > 0 ? tenant : named;
    *owner_out = named.size > 0 ? named : SLICE("default");
    return NULL;
}

static struct hash128 new_id(struct slice tenant, struct slice body) {
    uint64_t now_ns = clock_wall_ns();
    struct slice parts[] = {slice_of(&now_ns, sizeof(now_ns)), tenant, body};
    return hash128_of_parts(parts, 3, 0);
}

/* Those that are not over: only they take room. */
static struct status list_live(struct console *console, struct slice tenant, struct text *json,
                               uint32_t *count_out) {
    return view_silences_json(console->reader, tenant, clock_wall_ns(), json, count_out);
}

static void make_silence(struct console *console, struct http_exchange exchange,
                         struct slice asked_tenant, const struct http_request *request) {
    struct asked asked = {0};
    struct slice tenant = {0};
    uint8_t detail[SILENCE_BYTES_MAX];
    struct writer writer = writer_over(detail, sizeof(detail));
    const char *error = read_silence(request->body, &asked, clock_wall_ns());
    error = error != NULL ? error : read_owner(request->body, asked_tenant, &asked, &tenant);
    policy_silence_encode(&asked.silence, &writer);
    if (error != NULL || writer.failed) {
        console_answer_error(exchange, 400, "invalid", error != NULL ? error : "it is too large");
        return;
    }
    uint32_t count = 0;
    uint32_t own_count = 0;
    struct text text = console_text(console);
    struct status status = list_live(console, slice_of(NULL, 0), &text, &count);
    struct text own = console_text(console);
    struct status own_status = list_live(console, tenant, &own, &own_count);
    if (!status_is_ok(status) || !status_is_ok(own_status) || count >= SILENCES_MAX - ACTIONS_MAX ||
        own_count >= SILENCES_MADE_PER_TENANT_MAX) {
        console_answer_error(exchange, 409, "full", "there are too many silences");
        return;
    }
    const struct operator_request operator_request = {
        .action = OPERATOR_SILENCE,
        .incident_id = new_id(tenant, request->body),
        .tenant = tenant,
        .by = asked.silence.who,
        .note = asked.silence.reason,
        .detail = writer_slice(&writer),
    };
    char memory[64];
    struct text id = text_over(memory, sizeof(memory));
    text_add_text(&id, "sil_");
    text_add_base32(&id, operator_request.incident_id);
    action_send(console, exchange, text_slice(&id), &operator_request);
}

/* Whose silence it is, of those that this tenant may see: all, where none is named. */
static bool find_owner(struct console *console, struct slice tenant, struct slice id,
                       struct text *owner) {
    uint32_t count = 0;
    struct slice item;
    struct text text = console_text(console);
    if (!status_is_ok(list_live(console, tenant, &text, &count))) {
        return false;
    }
    struct slice rest = json_pick(text_slice(&text), "silences");
    while (json_pick_item(&rest, &item)) {
        char memory[96];
        struct text found = text_over(memory, sizeof(memory));
        json_pick_text(item, "id", &found);
        if (slice_equals(text_slice(&found), id)) {
            json_pick_text(item, "tenant", owner);
            return true;
        }
    }
    return false;
}

static void expire_silence(struct console *console, struct http_exchange exchange,
                           struct slice tenant, struct slice id,
                           const struct http_request *request) {
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    char owner_memory[TENANT_BYTES_MAX + 1];
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    struct text owner = text_over(owner_memory, sizeof(owner_memory));
    struct operator_request operator_request = {.action = OPERATOR_UNSILENCE};
    bool is_id = slice_starts_with(id, SLICE("sil_")) &&
                 status_is_ok(text_parse_base32(slice_tail(id, 4), &operator_request.incident_id));
    if (!action_read_body(exchange, request, &by, &note)) {
        return;
    }
    if (!is_id || !find_owner(console, tenant, id, &owner)) {
        console_answer_error(exchange, 404, "not_found", "no silence has this id");
        return;
    }
    operator_request.tenant = text_slice(&owner);
    operator_request.by = text_slice(&by);
    operator_request.note = text_slice(&note);
    action_send(console, exchange, id, &operator_request);
}

static void list_silences(struct console *console, struct http_exchange exchange,
                          struct slice tenant) {
    uint32_t count = 0;
    struct text text = console_text(console);
    struct status status = list_live(console, tenant, &text, &count);
    console_answer(exchange, status, &text);
}

void silences_on_request(struct console *console, struct http_exchange exchange, struct slice rest,
                         const struct http_request *request) {
    struct parameters parameters;
    struct slice id = slice_tail(rest, 1);
    size_t slash = slice_find_byte(id, '/');
    struct slice what = slice_tail(id, slash);
    bool is_post = slice_equals(request->method, SLICE("POST"));
    if (!parameters_read(console, exchange, request, &parameters)) {
        return;
    }
    struct slice tenant = parameters.values[PARAMETER_TENANT];
    if (rest.size == 0 && is_post) {
        make_silence(console, exchange, tenant, request);
    } else if (rest.size == 0 && console_allow_method(exchange, request, false)) {
        list_silences(console, exchange, tenant);
    } else if (rest.size > 0 && slice_equals(what, SLICE("/expire"))) {
        if (console_allow_method(exchange, request, true)) {
            expire_silence(console, exchange, tenant, slice_head(id, slash), request);
        }
    } else if (rest.size > 0) {
        console_answer_error(exchange, 404, "not_found", "there is no such path: GET / lists them");
    }
}
