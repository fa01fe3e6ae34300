/* unit.h - cmocka with what it wants before it, and the few checks our tests share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/slice.h"
#include "core/base/status.h"

#define assert_status(expression, name)                                                            \
    assert_string_equal(status_name(expression), status_name(status_of(STATUS_##name)))

#define assert_slice(bytes, words)                                                                 \
    do {                                                                                           \
        struct slice slice_ = (bytes);                                                             \
        assert_int_equal(slice_.size, strlen(words));                                              \
        if (slice_.size > 0) {                                                                     \
            assert_memory_equal(slice_.data, (words), slice_.size);                                \
        }                                                                                          \
    } while (0)
