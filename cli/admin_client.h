/*
 * admin_client.h - one call of the admin API of a running quell: plain, blocking HTTP/1.1 for
 * commands.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/text.h"

struct admin_client {
    struct slice address; /* "127.0.0.1:8418" */
    const char *token;    /* NULL: none */
};

/* `body` empty: GET, else POST. IO with words when nothing answers; else the HTTP status, and the
 * body in `answer`. */
MUST_CHECK struct status admin_call(const struct admin_client *client, struct slice path,
                                    struct slice body, unsigned *http_status_out,
                                    struct text *answer, struct fault *fault);
