/* status.c - see status.h. */
#include "core/base/status.h"

#include "core/base/assert.h"

const char *status_name(struct status status) {
    static const char *const names[] = {
#define STATUS_CODE(name, text) [STATUS_##name] = (text),
#include "core/base/status_code_list.h"
#undef STATUS_CODE
    };
    ASSERT(status.code < STATUS_CODE_COUNT);
    return names[status.code];
}
