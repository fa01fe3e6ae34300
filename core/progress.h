/* progress.h - work that may take long says, again and again, that it goes on, and how far it is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct progress {
    /* In the thread that does the work, up to a million times a second: `done` so far of `what`. */
    void (*tell)(void *context, const char *what, uint64_t done);
    void *context;
};

/* `progress` may be NULL: nobody wants to know. */
static inline void progress_tell(const struct progress *progress, const char *what, uint64_t done) {
    if (progress != NULL) {
        progress->tell(progress->context, what, done);
    }
}
