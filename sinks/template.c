/* template.c - see template.h. */
#include "sinks/template.h"

#include "core/base/json_pick.h"

enum { PATH_BYTES_MAX = 128, PATHS_MAX = 64 };

/* All that an incident has (schemas/incident.schema.json). Below the last two names are a tenant's
 * own, so any may be there. */
static const char *const known_paths[] = {
    "type",
    "version",
    "id",
    "tenant",
    "status",
    "severity",
    "title",
    "root_cause",
    "root_cause.entity",
    "root_cause.error_class",
    "root_cause.message",
    "root_cause.first_seen",
    "root_cause.confidence",
    "root_cause.evidence",
    "root_cause.alternatives",
    "affected",
    "blast_radius",
    "blast_radius.total",
    "blast_radius.failing",
    "blast_radius.at_risk",
    "signals",
    "signals.total",
    "signals.unique",
    "signals.suppressed",
    "opened_at",
    "updated_at",
    "resolved_at",
    "owner",
    "trace_ids",
    "blast_radius.by_kind",
    "labels",
};
enum { KNOWN_PATHS_COUNT = sizeof(known_paths) / sizeof(known_paths[0]), OPEN_PATHS_COUNT = 2 };

/* Up to the next "{{", or all of it. */
static size_t run_of(struct slice words) {
    size_t at = 0;
    while (at + 1 < words.size && (words.data[at] != '{' || words.data[at + 1] != '{')) {
        at++;
    }
    return at + 1 < words.size ? at : words.size;
}

/* Takes "{{path}}" off the front; false when it is not closed. */
static bool take_path(struct slice *words, struct slice *path_out) {
    struct slice rest = slice_tail(*words, 2);
    size_t end = slice_find_byte(rest, '}');
    if (end + 1 >= rest.size || rest.data[end + 1] != '}') {
        return false;
    }
    *path_out = slice_trim(slice_head(rest, end));
    *words = slice_tail(rest, end + 2);
    return true;
}

static bool is_below(struct slice path, struct slice above) {
    return slice_starts_with(path, above) && path.size > above.size + 1 &&
           path.data[above.size] == '.';
}

static struct status check_path(struct slice path, struct fault *fault) {
    char memory[128];
    struct text meant = text_over(memory, sizeof(memory));
    struct text_guess guess = text_guess_of(path);
    for (size_t i = 0; i < KNOWN_PATHS_COUNT; i++) {
        struct slice known = slice_of_text(known_paths[i]);
        bool is_open = i >= KNOWN_PATHS_COUNT - OPEN_PATHS_COUNT;
        if (slice_equals(path, known) || (is_open && is_below(path, known))) {
            return status_ok();
        }
        text_guess_try(&guess, known_paths[i]);
    }
    text_add_guess(&meant, &guess);
    return fault_set(fault, STATUS_INVALID, "template: unknown path \"%.*s\"%.*s",
                     SLICE_PRINT(path), SLICE_PRINT(text_slice(&meant)));
}

struct status template_check(struct slice words, struct fault *fault) {
    uint32_t count = 0;
    struct status status = status_ok();
    words = slice_tail(words, run_of(words));
    for (; words.size > 0; words = slice_tail(words, run_of(words))) {
        struct slice path;
        if (!take_path(&words, &path) || path.size == 0 || path.size > PATH_BYTES_MAX) {
            return fault_set(fault, STATUS_INVALID, "template holds a {{path}} that is not whole");
        }
        struct fault one;
        struct status next = check_path(path, &one);
        status = fault_join(fault, status, next, &one);
        count++;
    }
    TRY(status);
    return count <= PATHS_MAX
               ? status_ok()
               : fault_set(fault, STATUS_INVALID, "template holds more than %d paths", PATHS_MAX);
}

static struct slice find(struct slice incident, struct slice path) {
    struct slice value = incident;
    while (path.size > 0 && value.size > 0) {
        char memory[PATH_BYTES_MAX + 1];
        struct text name = text_over(memory, sizeof(memory));
        text_add(&name, path);
        struct slice whole = json_pick(value, memory); /* a label's name may hold dots */
        if (whole.size > 0) {
            return whole;
        }
        size_t dot = slice_find_byte(path, '.');
        name = text_over(memory, sizeof(memory));
        text_add(&name, slice_head(path, dot));
        value = json_pick(value, memory);
        path = slice_tail(path, dot + 1);
    }
    return value;
}

/* Takes the next piece of the body off the front; false at the end. */
static bool next_piece(struct slice *words, const struct outbox_message *message,
                       struct slice *piece_out) {
    struct slice path;
    size_t run = run_of(*words);
    if (run > 0) {
        *piece_out = slice_head(*words, run);
        *words = slice_tail(*words, run);
        return true;
    }
    if (words->size == 0 || !take_path(words, &path)) {
        return false;
    }
    struct slice value = slice_equals(path, SLICE("type")) ? outbox_type_word(message->type)
                                                           : find(message->payload, path);
    bool is_string = value.size >= 2 && value.data[0] == '"';
    *piece_out = is_string ? slice_of(value.data + 1, value.size - 2) : value;
    return true;
}

void template_add(struct text *body, struct slice words, const struct outbox_message *message) {
    struct slice piece;
    while (next_piece(&words, message, &piece)) {
        text_add(body, piece);
    }
}

size_t template_bytes(struct slice words, const struct outbox_message *message) {
    struct slice piece;
    size_t size = 0;
    while (next_piece(&words, message, &piece)) {
        size += piece.size;
    }
    return size;
}
