/* put_aside_api.c - the paths that dead letters and the quarantine have in common. */
#include "console/console_internal.h"

bool aside_read_path(struct http_exchange exchange, const struct http_request *request,
                     struct slice rest, struct aside_path *path_out) {
    struct slice behind = slice_tail(rest, 1);
    struct aside_path path = {.id = slice_head(behind, slice_find_byte(behind, '/'))};
    struct slice what = slice_tail(behind, path.id.size);
    path.is_retry = slice_equals(what, SLICE("/retry"));
    path.is_drop = slice_equals(what, SLICE("/drop"));
    bool is_known = what.size == 0 || (path.id.size > 0 && (path.is_retry || path.is_drop));
    if (!is_known) {
        console_answer_error(exchange, 404, "not_found", "there is no such path: GET / lists them");
        return false;
    }
    *path_out = path;
    return console_allow_method(exchange, request, path.is_retry || path.is_drop);
}
