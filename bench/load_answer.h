/* load_answer.h - where an HTTP/1.1 answer ends, its status, and what it refuses. Any thread. */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"

struct load_answer {
    uint16_t http_status;
    bool keeps_open; /* false: a body without a length ends with the connection */
    /* Of a chunked one its first chunk and what follows; without a length: what came so far. */
    struct slice body;
};

/* END while more bytes are wanted; INVALID for what is no answer. */
MUST_CHECK struct status load_answer_parse(struct slice bytes, struct load_answer *answer_out);
/* How many records a 2xx answer refuses all the same: "rejected" of quell's own, partialSuccess of
 * OTLP in JSON or protobuf; 0 when the body is none of these. */
uint64_t load_answer_count_rejected(struct slice body);
