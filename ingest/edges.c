/* edges.c - see edges.h. */
#include "ingest/edges.h"

/* --- One edge --- */

static struct status add_edge(struct decode *decode, struct slice from, struct slice to,
                              struct slice tenant, struct slice raw) {
    if (slice_is_empty(from) || slice_is_empty(to)) {
        return decode_refuse_of(decode, tenant, raw, "an edge needs from and to");
    }
    struct fault reason;
    struct slice upstream =
        slice_starts_with(to, SLICE("platform/")) ? slice_tail(to, sizeof("platform/") - 1) : to;
    if (!status_is_ok(derive_check_entity(from, &reason)) ||
        !status_is_ok(derive_check_entity(upstream, &reason))) {
        return decode_refuse_of(decode, tenant, raw, reason.words);
    }
    if (slice_equals(from, to)) {
        return decode_refuse_of(decode, tenant, raw, "an entity cannot depend on itself");
    }
    struct envelope envelope = {
        .kind = EVENT_KIND_LINEAGE,
        .entity = from,
        .event_time_ns = decode->now_ns,
        .depends_on = &to,
        .depends_on_count = 1,
    };
    return decode_add(decode, &envelope, tenant, raw);
}

/* --- CSV --- */

/* The next value of the line, taken off *rest; quotes around it are dropped. false: they do not
 * end, or something stands behind them, such as another quote, which no name needs. */
static bool take_value(struct slice *rest, struct slice *value_out) {
    struct slice text = slice_trim(*rest);
    bool is_quoted = text.size > 1 && text.data[0] == '"';
    struct slice inner = is_quoted ? slice_tail(text, 1) : text;
    struct slice value = slice_head(inner, slice_find_byte(inner, is_quoted ? '"' : ','));
    struct slice behind = slice_tail(inner, value.size + (is_quoted ? 1 : 0));
    struct slice between = slice_head(behind, slice_find_byte(behind, ','));
    *rest = slice_tail(behind, between.size + 1);
    *value_out = is_quoted ? value : slice_trim(value);
    bool is_open = is_quoted && value.size == inner.size;
    return !is_open && slice_trim(between).size == 0;
}

static struct status take_row(struct decode *decode, struct slice line, bool is_first) {
    struct slice rest = line;
    struct slice from;
    struct slice to;
    struct slice tenant;
    if (!take_value(&rest, &from) || !take_value(&rest, &to) || !take_value(&rest, &tenant)) {
        return decode_refuse(decode, line, "a value's quotes do not end where it ends");
    }
    if (is_first && slice_equals(from, SLICE("from")) && slice_equals(to, SLICE("to"))) {
        return status_ok();
    }
    if (slice_trim(rest).size > 0) {
        return decode_refuse(decode, line, "a line is from,to or from,to,tenant");
    }
    return add_edge(decode, from, to, tenant, line);
}

/* Lines end with LF, or with CR LF (RFC 4180). */
static struct slice take_line(struct slice *body) {
    struct slice line = slice_head(*body, slice_find_byte(*body, '\n'));
    *body = slice_tail(*body, line.size + 1);
    bool has_return = line.size > 0 && line.data[line.size - 1] == '\r';
    return slice_trim(slice_head(line, line.size - (has_return ? 1 : 0)));
}

static struct status take_rows(struct decode *decode, struct slice body) {
    bool is_first = true;
    while (body.size > 0) {
        struct slice line = take_line(&body);
        if (line.size == 0 || line.data[0] == '#') {
            continue;
        }
        size_t mark = decode->arena->used_bytes;
        TRY(take_row(decode, line, is_first));
        arena_rewind(decode->arena, mark);
        is_first = false;
    }
    return status_ok();
}

/* --- JSON --- */

/* A string, or empty when it is something else, which is an edge that lacks it. */
static struct slice take_word(struct json_walk *walk) {
    struct slice word = {0};
    if (json_peek(walk) == JSON_STRING) {
        json_take_string(walk, &word);
    } else {
        json_skip(walk, NULL);
    }
    return word;
}

static struct status take_edge(struct decode *decode, struct json_walk *walk) {
    struct slice from = {0};
    struct slice to = {0};
    struct slice tenant = {0};
    struct slice key;
    size_t start = json_next_at(walk);
    size_t mark = decode->arena->used_bytes;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "from")) {
            from = take_word(walk);
        } else if (json_key_is(key, "to")) {
            to = take_word(walk);
        } else if (json_key_is(key, "tenant_id")) {
            tenant = take_word(walk);
        } else {
            json_skip(walk, NULL);
        }
    }
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    struct slice raw = slice_of(walk->bytes.data + start, walk->at - start);
    struct status status = add_edge(decode, from, to, tenant, raw);
    arena_rewind(decode->arena, mark);
    return status;
}

static struct status take_edges(struct decode *decode, struct json_walk *walk) {
    json_enter_array(walk);
    while (json_next_element(walk)) {
        TRY(take_edge(decode, walk));
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}

/* {"edges":[...]}, such as a graph that quell has printed. */
static struct status take_graph(struct decode *decode, struct json_walk *walk) {
    struct slice key;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "edges")) {
            TRY(take_edges(decode, walk));
        } else {
            json_skip(walk, NULL);
        }
    }
    return json_finish(walk) ? status_ok() : decode_fail(decode, walk);
}

static bool has_edges(struct slice body, struct arena *arena) {
    size_t mark = arena->used_bytes;
    struct json_walk walk = json_walk_over(body, arena);
    struct slice key;
    bool is_found = false;
    json_enter_object(&walk);
    while (!is_found && json_next_member(&walk, &key)) {
        is_found = json_key_is(key, "edges");
        json_skip(&walk, NULL);
    }
    arena_rewind(arena, mark);
    return is_found;
}

static struct status take_lines(struct decode *decode, struct slice body) {
    while (body.size > 0) {
        struct slice line = take_line(&body);
        if (line.size == 0) {
            continue;
        }
        size_t mark = decode->arena->used_bytes;
        struct json_walk walk = json_walk_over(line, decode->arena);
        TRY(take_edge(decode, &walk));
        if (!json_finish(&walk)) {
            return decode_fail(decode, &walk);
        }
        arena_rewind(decode->arena, mark);
    }
    return status_ok();
}

static bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct status edges_decode(struct decode *decode, struct slice body) {
    struct slice text = text_behind_mark(body);
    while (text.size > 0 && is_space(text.data[0])) {
        text = slice_tail(text, 1);
    }
    if (text.size == 0 || (text.data[0] != '[' && text.data[0] != '{')) {
        return take_rows(decode, text);
    }
    if (text.data[0] == '{' && !has_edges(text, decode->arena)) {
        return take_lines(decode, text);
    }
    struct json_walk walk = json_walk_over(text, decode->arena);
    if (text.data[0] == '{') {
        return take_graph(decode, &walk);
    }
    TRY(take_edges(decode, &walk));
    return json_finish(&walk) ? status_ok() : decode_fail(decode, &walk);
}
