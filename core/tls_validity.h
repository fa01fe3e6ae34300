/*
 * tls_validity.h - from when to when a certificate may be used: clients refuse it before and after,
 * and nobody else tells the one who runs the server.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/text.h"

struct tls_validity {
    uint64_t begins_ns; /* the latest beginning in the chain */
    uint64_t ends_ns;   /* the first end in it; 0: there is no certificate */
};

/* INVALID with words: no chain in PEM or DER. */
MUST_CHECK struct status tls_read_validity(struct slice chain, struct tls_validity *validity_out,
                                           struct fault *fault);
/* Whether it is not valid at `now_ns`, or will not be for long: then words says so. */
bool tls_validity_is_odd(const struct tls_validity *validity, uint64_t now_ns, struct text *words);
