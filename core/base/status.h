/*
 * status.h - how a function says that it failed.
 *
 * A `struct status` is a code for programs; it must be looked at. Words for people travel beside
 * it in a `struct fault`, only where a person will read them (fault.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum status_code {
#define STATUS_CODE(name, text) STATUS_##name,
#include "core/base/status_code_list.h"
#undef STATUS_CODE
    STATUS_CODE_COUNT
};

struct status {
    enum status_code code;
};

#define MUST_CHECK __attribute__((warn_unused_result))

static inline bool status_is_ok(struct status status) {
    return status.code == STATUS_OK;
}

static inline struct status status_of(enum status_code code) {
    return (struct status){.code = code};
}

static inline struct status status_ok(void) {
    return (struct status){.code = STATUS_OK};
}

/* The code's name in lower case, such as "corrupt"; static memory; any thread. */
const char *status_name(struct status status);

/* The only macro with control flow: hands a failure to the caller. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        struct status try_status_ = (expression);                                                  \
        if (!status_is_ok(try_status_)) {                                                          \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)
