/* template.c - see template.h. */
#include "sinks/template.h"

#include "core/base/json_pick.h"

enum { PATH_BYTES_MAX = 128, PATHS_MAX = 64, NAME_BYTES_MAX = 64 };

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

struct status template_check(struct slice words, struct fault *fault) {
    uint32_t count = 0;
    words = slice_tail(words, run_of(words));
    for (; words.size > 0; words = slice_tail(words, run_of(words))) {
        struct slice path;
        if (!take_path(&words, &path) || path.size == 0 || path.size > PATH_BYTES_MAX) {
            return fault_set(fault, STATUS_INVALID, "template holds a {{path}} that is not whole");
        }
        count++;
    }
    return count <= PATHS_MAX
               ? status_ok()
               : fault_set(fault, STATUS_INVALID, "template holds more than %d paths", PATHS_MAX);
}

static struct slice find(struct slice incident, struct slice path) {
    struct slice value = incident;
    while (path.size > 0 && value.size > 0) {
        char memory[NAME_BYTES_MAX];
        struct text name = text_over(memory, sizeof(memory));
        size_t dot = slice_find_byte(path, '.');
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
