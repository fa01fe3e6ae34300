/*
 * fuzz_targets.h - what hostile bytes can reach, each behind one function of bytes. Each returns
 * normally whatever the bytes are; a crash, a leak, a failed assertion or a hang is a bug.
 */
#pragma once

#include "core/base/slice.h"

void fuzz_http(struct slice bytes);       /* the HTTP/1.1 server, bytes as a client sends them */
void fuzz_otlp_json(struct slice bytes);  /* the three export requests as JSON */
void fuzz_otlp_proto(struct slice bytes); /* and as protobuf */
void fuzz_native(struct slice bytes);     /* native events: object, array, lines */
void fuzz_toml(struct slice bytes);       /* quell.toml */
void fuzz_block(struct slice bytes);      /* a journal block, and the records in it */
void fuzz_envelope(struct slice bytes);   /* an envelope of the journal */

struct fuzz_target {
    const char *name;
    void (*run)(struct slice bytes);
};
extern const struct fuzz_target fuzz_targets[];
extern const unsigned fuzz_targets_count;
