/*
 * lineage.c - OpenLineage events (formats.h): one JSON event says what a job reads and writes and
 * how its run goes.
 *
 * It becomes an envelope for the job, one for each output and one for the parent job; only the
 * job's has a status. A job or dataset is named "<namespace>/<name>", as a service is.
 */
#include "ingest/formats.h"
#include "ingest/json_events.h"

struct lineage_name {
    struct slice namespace;
    struct slice name;
};

struct lineage {
    struct draft draft; /* the job's event */
    struct lineage_name job;
    struct lineage_name parent;
    struct lineage_name dataset; /* of a dataset event */
    struct json_walk inputs;     /* bookmarks; bytes.size 0: there are none */
    struct json_walk outputs;
    bool is_run;
};

/* --- Reading --- */

static void take_name(struct json_walk *walk, struct draft *draft, struct lineage_name *name) {
    struct slice key;
    if (json_peek(walk) != JSON_OBJECT) {
        json_skip(walk, NULL);
        draft_refuse(draft, "a job or dataset is an object with namespace and name",
                     (struct slice){0});
        return;
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "namespace")) {
            name->namespace = draft_take_word(walk, draft, "namespace is no string");
        } else if (json_key_is(key, "name")) {
            name->name = draft_take_word(walk, draft, "name is no string");
        } else {
            json_skip(walk, NULL);
        }
    }
}

/* The members of an object one by one, or nothing when the value is no object. */
static bool enter_facet(struct json_walk *walk) {
    return json_peek(walk) == JSON_OBJECT ? json_enter_object(walk)
                                          : (json_skip(walk, NULL), false);
}

static void take_error_facet(struct json_walk *walk, struct draft *draft) {
    struct slice key;
    if (!enter_facet(walk)) {
        return;
    }
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "message")) {
            draft->envelope.message = draft_take_word(walk, draft, "message is no string");
        } else if (json_key_is(key, "stackTrace") || json_key_is(key, "programmingLanguage")) {
            draft_take_attribute(walk, draft, key);
        } else {
            json_skip(walk, NULL);
        }
    }
}

static void take_parent_facet(struct json_walk *walk, struct lineage *lineage) {
    struct slice key;
    if (!enter_facet(walk)) {
        return;
    }
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "job")) {
            take_name(walk, &lineage->draft, &lineage->parent);
        } else {
            json_skip(walk, NULL);
        }
    }
}

static void take_run_facets(struct json_walk *walk, struct lineage *lineage) {
    struct slice key;
    if (!enter_facet(walk)) {
        return;
    }
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "errorMessage")) {
            take_error_facet(walk, &lineage->draft);
        } else if (json_key_is(key, "parent")) {
            take_parent_facet(walk, lineage);
        } else {
            json_skip(walk, NULL);
        }
    }
}

static void take_run(struct json_walk *walk, struct lineage *lineage) {
    struct slice key;
    lineage->is_run = true;
    if (json_peek(walk) != JSON_OBJECT) {
        json_skip(walk, NULL);
        draft_refuse(&lineage->draft, "run is no object", (struct slice){0});
        return;
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "runId")) {
            lineage->draft.envelope.run_id =
                draft_take_word(walk, &lineage->draft, "runId is no string");
        } else if (json_key_is(key, "facets")) {
            take_run_facets(walk, lineage);
        } else {
            json_skip(walk, NULL);
        }
    }
}

static void take_event_time(struct json_walk *walk, struct draft *draft) {
    struct slice word = draft_take_word(walk, draft, "eventTime is no string");
    uint64_t *time_ns = &draft->envelope.event_time_ns;
    if (word.size > 0 && !status_is_ok(text_parse_time_clamped(word, time_ns))) {
        draft_refuse(draft, "eventTime is no RFC 3339 time: ", word);
    } else if (word.size > 0 && *time_ns == 0) {
        *time_ns = 1; /* before 1970 is a time, too: it was given */
    }
}

static void take_event_type(struct json_walk *walk, struct draft *draft) {
    static const struct {
        const char *word;
        enum event_status status;
    } types[] = {
        {"START", EVENT_STATUS_STARTED},      {"RUNNING", EVENT_STATUS_RUNNING},
        {"COMPLETE", EVENT_STATUS_SUCCEEDED}, {"ABORT", EVENT_STATUS_ABORTED},
        {"FAIL", EVENT_STATUS_FAILED},        {"OTHER", EVENT_STATUS_NONE},
    };
    struct slice word = draft_take_word(walk, draft, "eventType is no string");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_equals_ignoring_case(word, slice_of_text(types[i].word))) {
            draft->envelope.status = types[i].status;
            return;
        }
    }
    if (word.size > 0) {
        draft_refuse(draft, "unknown eventType: ", word);
    }
}

/* The array is checked now and read again later, when the job is known. */
static void take_datasets(struct json_walk *walk, struct draft *draft, struct json_walk *mark) {
    if (json_take_null(walk)) {
        return;
    }
    if (json_peek(walk) != JSON_ARRAY) {
        draft_refuse(draft, "inputs and outputs are arrays", (struct slice){0});
    } else {
        *mark = *walk;
    }
    json_skip(walk, NULL);
}

static struct lineage *lineage_of(struct draft *draft) {
    return (struct lineage *)(void *)draft; /* its first member */
}

static void take_member(struct json_walk *walk, struct draft *draft, struct slice key) {
    struct lineage *lineage = lineage_of(draft);
    if (json_key_is(key, "eventType")) {
        take_event_type(walk, draft);
    } else if (json_key_is(key, "eventTime")) {
        take_event_time(walk, draft);
    } else if (json_key_is(key, "run")) {
        take_run(walk, lineage);
    } else if (json_key_is(key, "job")) {
        take_name(walk, draft, &lineage->job);
    } else if (json_key_is(key, "dataset")) {
        take_name(walk, draft, &lineage->dataset);
    } else if (json_key_is(key, "inputs")) {
        take_datasets(walk, draft, &lineage->inputs);
    } else if (json_key_is(key, "outputs")) {
        take_datasets(walk, draft, &lineage->outputs);
    } else if (json_key_is(key, "producer")) {
        draft_take_attribute(walk, draft, key);
    } else {
        json_skip(walk, NULL);
    }
}

/* --- Envelopes --- */

/* Paths of datasets are long at times; nothing is lost for that, nor taken for another. */
static struct slice make_entity(struct decode *decode, struct draft *draft, const char *kind,
                                const struct lineage_name *name) {
    char *memory = arena_allocate(decode->arena, ENTITY_BYTES_MAX + 1, 1);
    struct text text = text_over(memory, memory == NULL ? 0 : ENTITY_BYTES_MAX + 1);
    if (name->name.size == 0) {
        draft_refuse(draft, "a name is missing: ", slice_of_text(kind));
    }
    text_add_text(&text, kind);
    text_add_char(&text, ':');
    text_add(&text, name->namespace);
    text_add_text(&text, name->namespace.size > 0 ? "/" : "");
    text_add(&text, name->name);
    if (text.truncated && text.capacity > 0) {
        struct slice parts[] = {name->namespace, name->name};
        struct hash128 hash = hash128_of_parts(parts, 2, 0);
        text_end_with_mark(&text, slice_of(&hash, sizeof(hash)));
    }
    if (!status_is_ok(derive_check_entity(text_slice(&text), &draft->reason))) {
        draft->is_refused = true;
    }
    return text_slice(&text);
}

/* An event that says nothing but that `entity` depends on `upstream`. */
static struct status add_edges(struct decode *decode, const struct lineage *lineage,
                               struct slice entity, const struct slice *upstream, uint32_t count,
                               struct slice raw) {
    struct envelope edge = {
        .kind = EVENT_KIND_LINEAGE,
        .flags = ENVELOPE_BESIDE,
        .entity = entity,
        .event_time_ns = lineage->draft.envelope.event_time_ns,
        .run_id = lineage->draft.envelope.run_id,
        .depends_on = upstream,
        .depends_on_count = count,
    };
    uint32_t accepted = decode->accepted;
    struct status status = decode_add(decode, &edge, lineage->draft.claimed, raw);
    decode->accepted = accepted; /* the answer counts events, not what they became */
    return status;
}

/* Refuses the event when the name of a dataset is unsound: before anything is added of it, so that
 * it is one record, taken or refused. */
static void check_datasets(struct decode *decode, struct draft *draft, struct json_walk names) {
    if (names.bytes.size == 0) {
        return;
    }
    json_enter_array(&names);
    while (!draft->is_refused && json_next_element(&names)) {
        struct lineage_name name = {0};
        size_t mark = decode->arena->used_bytes;
        take_name(&names, draft, &name);
        (void)make_entity(decode, draft, "dataset", &name);
        arena_rewind(decode->arena, mark);
    }
}

static struct status add_inputs(struct decode *decode, struct lineage *lineage, struct slice raw) {
    struct draft *draft = &lineage->draft;
    uint32_t count = 0;
    if (lineage->inputs.bytes.size == 0) {
        return status_ok();
    }
    json_enter_array(&lineage->inputs);
    while (json_next_element(&lineage->inputs) && !draft->is_refused) {
        struct lineage_name name = {0};
        take_name(&lineage->inputs, draft, &name);
        draft->depends_on[count++] = make_entity(decode, draft, "dataset", &name);
        if (count == DEPENDS_ON_PER_EVENT_MAX && !draft->is_refused) {
            TRY(add_edges(decode, lineage, draft->envelope.entity, draft->depends_on, count, raw));
            count = 0;
        }
    }
    draft->envelope.depends_on = draft->depends_on;
    draft->envelope.depends_on_count = count;
    return status_ok();
}

static struct status add_outputs(struct decode *decode, struct lineage *lineage, struct slice raw) {
    struct draft *draft = &lineage->draft;
    if (lineage->outputs.bytes.size == 0) {
        return status_ok();
    }
    json_enter_array(&lineage->outputs);
    while (json_next_element(&lineage->outputs)) {
        struct lineage_name name = {0};
        size_t mark = decode->arena->used_bytes;
        take_name(&lineage->outputs, draft, &name);
        struct slice output = make_entity(decode, draft, "dataset", &name);
        if (draft->is_refused) {
            return decode_refuse_of(decode, draft->claimed, raw, draft->reason.words);
        }
        TRY(add_edges(decode, lineage, output, &draft->envelope.entity, 1, raw));
        arena_rewind(decode->arena, mark);
    }
    return status_ok();
}

static struct status add_job(struct decode *decode, struct lineage *lineage, struct slice raw) {
    struct draft *draft = &lineage->draft;
    if (lineage->is_run && draft->envelope.run_id.size == 0) {
        draft_refuse(draft, "run.runId is required", (struct slice){0});
    }
    draft->envelope.kind = EVENT_KIND_LINEAGE;
    draft->envelope.entity = make_entity(decode, draft, "job", &lineage->job);
    struct slice parent = {0};
    if (lineage->parent.name.size > 0) {
        parent = make_entity(decode, draft, "job", &lineage->parent);
    }
    check_datasets(decode, draft, lineage->inputs);
    check_datasets(decode, draft, lineage->outputs);
    TRY(add_inputs(decode, lineage, raw));
    bool is_refused = draft->is_refused;
    TRY(draft_finish(decode, draft, raw));
    if (is_refused) {
        return status_ok();
    }
    if (parent.size > 0) {
        TRY(add_edges(decode, lineage, parent, &draft->envelope.entity, 1, raw));
    }
    return add_outputs(decode, lineage, raw);
}

static struct status add_event(struct decode *decode, struct draft *draft, struct slice raw) {
    struct lineage *lineage = lineage_of(draft);
    if (draft->envelope.event_time_ns == 0) {
        draft_refuse(draft, "eventTime is required", (struct slice){0});
    }
    if (lineage->job.name.size == 0 && lineage->dataset.name.size == 0) {
        draft_refuse(draft, "the name of a job or dataset is required", (struct slice){0});
        return draft_finish(decode, draft, raw);
    }
    if (lineage->job.name.size > 0 || lineage->dataset.name.size == 0) {
        return add_job(decode, lineage, raw);
    }
    draft->envelope.kind = EVENT_KIND_LINEAGE;
    draft->envelope.entity = make_entity(decode, draft, "dataset", &lineage->dataset);
    return draft_finish(decode, draft, raw);
}

static struct status take_event(struct decode *decode, struct json_walk *walk, bool is_whole) {
    static const struct json_event_format format = {
        .complaint = "an OpenLineage event is a JSON object",
        .size = sizeof(struct lineage),
        .take_member = take_member,
        .add_event = add_event,
    };
    return json_event_take(decode, walk, &format, is_whole);
}

struct status lineage_decode(struct decode *decode, struct slice body) {
    struct json_walk walk = json_walk_over(body, decode->arena);
    return json_events_take(decode, &walk, take_event);
}
