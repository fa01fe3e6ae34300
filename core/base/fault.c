/* fault.c - see fault.h. */
#include "core/base/fault.h"

#include <stdarg.h>
#include <stdio.h>

void fault_write(struct fault *fault, const char *format, ...) {
    if (fault == NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(fault->words, sizeof(fault->words), format, arguments);
    va_end(arguments);
}

struct status fault_join(struct fault *all, struct status before, struct status status,
                         const struct fault *next) {
    if (status_is_ok(status)) {
        return before;
    }
    struct fault said = {0};
    if (all != NULL && !status_is_ok(before)) {
        said = *all;
    }
    bool has_words = said.words[0] != 0;
    fault_write(all, "%s%s%s", said.words, has_words ? "\n" : "", next->words);
    return status_is_ok(before) ? status : before;
}
