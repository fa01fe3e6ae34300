/* digest.c - see digest.h. */
#include "core/digest.h"

#include <mbedtls/base64.h>
#include <mbedtls/md.h>

#include "core/base/assert.h"

void digest_sha256(struct slice bytes, uint8_t digest_out[DIGEST_SHA256_BYTES]) {
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    ASSERT(info != NULL);
    ASSERT(mbedtls_md(info, bytes.data, bytes.size, digest_out) == 0);
}

/* RFC 2104 over the parts, one after the other. */
void digest_hmac_sha256(struct slice key, const struct slice *parts, size_t parts_count,
                        uint8_t digest_out[DIGEST_SHA256_BYTES]) {
    mbedtls_md_context_t context;
    mbedtls_md_init(&context);
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    ASSERT(mbedtls_md_setup(&context, info, 1) == 0);
    ASSERT(mbedtls_md_hmac_starts(&context, key.data, key.size) == 0);
    for (size_t i = 0; i < parts_count; i++) {
        ASSERT(mbedtls_md_hmac_update(&context, parts[i].data, parts[i].size) == 0);
    }
    ASSERT(mbedtls_md_hmac_finish(&context, digest_out) == 0);
    mbedtls_md_free(&context);
}

bool digest_equals(const uint8_t *a, const uint8_t *b, size_t size) {
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < size; i++) {
        difference = (uint8_t)(difference | (a[i] ^ b[i]));
    }
    return difference == 0;
}

void text_add_base64(struct text *text, struct slice bytes) {
    /* In pieces of whole triples, so that padding stands only at the end. */
    for (size_t at = 0; at < bytes.size; at += 48) {
        unsigned char piece[72];
        size_t written = 0;
        struct slice part = slice_head(slice_tail(bytes, at), 48);
        ASSERT(mbedtls_base64_encode(piece, sizeof(piece), &written, part.data, part.size) == 0);
        text_add(text, slice_of(piece, written));
    }
}

struct status digest_parse_base64(struct slice text, uint8_t *bytes_out, size_t capacity,
                                  size_t *size_out) {
    int result = mbedtls_base64_decode(bytes_out, capacity, size_out, text.data, text.size);
    if (result == MBEDTLS_ERR_BASE64_BUFFER_TOO_SMALL) {
        return status_of(STATUS_FULL);
    }
    return result == 0 ? status_ok() : status_of(STATUS_INVALID);
}
