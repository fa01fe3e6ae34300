/* assert.c - see assert.h. */
#include "core/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void assert_fail(const char *expression, const char *file, int line) {
    (void)fprintf(stderr, "quell: broken invariant at %s:%d: %s\n", file, line, expression);
    abort();
}
