/*
 * assert.h - invariants, checked in every build.
 *
 * ASSERT is for what cannot happen unless the program is wrong. Operating errors (a full disk, a
 * bad request) are handled, never asserted.
 */
#pragma once

/* Prints the expression and its place on stderr, then aborts. Any thread. */
_Noreturn void assert_fail(const char *expression, const char *file, int line);

#define ASSERT(expression)                                                                         \
    (__builtin_expect(!!(expression), 1) ? (void)0 : assert_fail(#expression, __FILE__, __LINE__))
