/* fault.c - see fault.h. */
#include "core/base/fault.h"

#include <stdarg.h>
#include <stdio.h>

struct status fault_set(struct fault *fault, enum status_code code, const char *format, ...) {
    if (fault != NULL) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(fault->words, sizeof(fault->words), format, arguments);
        va_end(arguments);
    }
    return status_of(code);
}
