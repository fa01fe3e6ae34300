/*
 * digest.h - SHA-256, HMAC and base64 for tokens and signatures. The only file that knows mbedTLS's
 * crypto library. Pure. Any thread.
 */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/base/text.h"

enum { DIGEST_SHA256_BYTES = 32 };

void digest_sha256(struct slice bytes, uint8_t digest_out[DIGEST_SHA256_BYTES]);
void digest_hmac_sha256(struct slice key, const struct slice *parts, size_t parts_count,
                        uint8_t digest_out[DIGEST_SHA256_BYTES]);
/* Equal or not in time that depends only on size. */
bool digest_equals(const uint8_t *a, const uint8_t *b, size_t size);
/* Standard alphabet with padding. */
void text_add_base64(struct text *text, struct slice bytes);
/* INVALID for anything but whole base64; FULL when it does not fit. */
MUST_CHECK struct status digest_parse_base64(struct slice text, uint8_t *bytes_out, size_t capacity,
                                             size_t *size_out);
