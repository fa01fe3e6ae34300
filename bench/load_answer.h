/* load_answer.h - where an HTTP/1.1 answer ends, and its status. Any thread. */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"

/* END while more bytes are wanted; INVALID for what is no answer. A body without a length ends with
 * the connection: then `keeps_open_out` is false. */
MUST_CHECK struct status load_answer_parse(struct slice bytes, uint16_t *http_status_out,
                                           bool *keeps_open_out);
