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
