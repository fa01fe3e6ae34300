/*
 * tls.c - see tls.h. mbedTLS reads from what was fed and writes into a buffer that grows, so it
 * never waits for the network inside a call; a peer that makes us say more than OUTPUT_BYTES_MAX
 * without reading is broken off.
 *
 * Differences between 2.28 and 3.x stand together below, in "Versions".
 */
#include "core/tls.h"

#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/base/assert.h"
#include "core/tls_internal.h"

enum {
    PLAINTEXT_BYTES = 16 * 1024,     /* a record */
    OUTPUT_BYTES_ENOUGH = 64 * 1024, /* encrypted ahead of the network */
    OUTPUT_BYTES_MAX = 256 * 1024,
    OUTPUT_BYTES_MIN = 4 * 1024,
};

struct tls_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

struct tls_server {
    mbedtls_ssl_config config;
    mbedtls_x509_crt certificate;
    mbedtls_x509_crt client_ca;
    mbedtls_pk_context key;
    struct tls_tickets *tickets;
    uint32_t references;
    uint8_t plaintext[PLAINTEXT_BYTES];
};

struct tls_conn {
    struct tls_server *server;
    mbedtls_ssl_context ssl;
    struct slice input;
    struct tls_buffer pending; /* being filled */
    struct tls_buffer taken;   /* with the caller */
    bool is_established;
    bool has_ended; /* we said so */
    bool has_peer;
    struct tls_peer peer;
};

/* --- Random numbers: the kernel's, so that nothing is shared --- */

int tls_fill_random(void *context, unsigned char *bytes, size_t size) {
    (void)context;
    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);
        if (got < 0 && errno != EINTR) {
            return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        }
        bytes += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* --- Versions --- */

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>

static int parse_key(mbedtls_pk_context *key, const uint8_t *pem, size_t size) {
    return mbedtls_pk_parse_key(key, pem, size, NULL, 0, tls_fill_random, NULL);
}

static bool is_pair(const mbedtls_x509_crt *certificate, const mbedtls_pk_context *key) {
    return mbedtls_pk_check_pair(&certificate->pk, key, tls_fill_random, NULL) == 0;
}

#if MBEDTLS_VERSION_NUMBER < 0x03020000
static void set_versions(mbedtls_ssl_config *config, bool asks_for_certificate) {
    (void)asks_for_certificate;
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
}
#elif MBEDTLS_VERSION_NUMBER < 0x03060000 || !defined(MBEDTLS_THREADING_C) ||                      \
    !defined(MBEDTLS_SSL_PROTO_TLS1_3)
/* 1.3 stands on PSA's one table of keys, which threads may share since 3.6. */
static void set_versions(mbedtls_ssl_config *config, bool asks_for_certificate) {
    (void)asks_for_certificate;
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
}
#else
/* A ticket of 1.3 does not say who the client was, so who must show a certificate shows it each
 * time. */
static void set_versions(mbedtls_ssl_config *config, bool asks_for_certificate) {
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    if (asks_for_certificate) {
        mbedtls_ssl_conf_tls13_key_exchange_modes(config,
                                                  MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
    }
}
#endif

static bool init_library(void) {
    return psa_crypto_init() == PSA_SUCCESS; /* TLS 1.3 stands on it; later calls do nothing */
}

static void hash_certificate(const mbedtls_x509_crt *certificate, uint8_t *sha256_out) {
    ASSERT(mbedtls_sha256(certificate->raw.p, certificate->raw.len, sha256_out, 0) == 0);
}
#else
static int parse_key(mbedtls_pk_context *key, const uint8_t *pem, size_t size) {
    return mbedtls_pk_parse_key(key, pem, size, NULL, 0);
}

static bool is_pair(const mbedtls_x509_crt *certificate, const mbedtls_pk_context *key) {
    return mbedtls_pk_check_pair(&certificate->pk, key) == 0;
}

/* 2.28 prefers the largest curve that the client offers, secp521r1: twice the work of a handshake.
 */
static void set_versions(mbedtls_ssl_config *config, bool asks_for_certificate) {
    static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519,
                                                  MBEDTLS_ECP_DP_SECP256R1,
                                                  MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
    (void)asks_for_certificate;
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_curves(config, curves);
}

static bool init_library(void) {
    return true;
}

static void hash_certificate(const mbedtls_x509_crt *certificate, uint8_t *sha256_out) {
    ASSERT(mbedtls_sha256_ret(certificate->raw.p, certificate->raw.len, sha256_out, 0) == 0);
}
#endif

/* --- The server --- */

static const int suites[] = {
#ifdef MBEDTLS_TLS1_3_AES_128_GCM_SHA256
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
    /* First, because AES-GCM takes 2.28 half as long again, with AES instructions at hand. */
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};

struct status tls_explain(struct fault *fault, const char *what, int error) {
    char words[128] = "";
    if (error < 0) {
        mbedtls_strerror(error, words, sizeof(words));
    }
    return fault_set(fault, STATUS_INVALID, "%s: %s", what,
                     error < 0 ? words : "not all of it can be read");
}

/* PEM wants a 0 behind it; the copy is wiped. */
static uint8_t *copy_pem(struct slice pem) {
    uint8_t *copy = malloc(pem.size + 1);
    if (copy != NULL) {
        memcpy(copy, pem.data, pem.size);
        copy[pem.size] = 0;
    }
    return copy;
}

static void drop_pem(uint8_t *copy, size_t size) {
    if (copy != NULL) {
        explicit_bzero(copy, size);
    }
    free(copy);
}

struct status tls_read_certificates(mbedtls_x509_crt *chain, struct slice pem, const char *what,
                                    struct fault *fault) {
    uint8_t *copy = copy_pem(pem);
    int result = copy == NULL ? MBEDTLS_ERR_SSL_ALLOC_FAILED
                              : mbedtls_x509_crt_parse(chain, copy, pem.size + 1);
    drop_pem(copy, pem.size);
    return result == 0 ? status_ok() : tls_explain(fault, what, result);
}

struct status tls_read_key(mbedtls_pk_context *key, struct slice pem, struct fault *fault) {
    uint8_t *copy = copy_pem(pem);
    int result = copy == NULL ? MBEDTLS_ERR_SSL_ALLOC_FAILED : parse_key(key, copy, pem.size + 1);
    drop_pem(copy, pem.size);
    return result == 0 ? status_ok() : tls_explain(fault, "the key", result);
}

static struct status read_identity(struct tls_server *server, const struct tls_options *options,
                                   struct fault *fault) {
    TRY(tls_read_certificates(&server->certificate, options->certificate_pem, "the certificate",
                              fault));
    TRY(tls_read_key(&server->key, options->key_pem, fault));
    if (!is_pair(&server->certificate, &server->key)) {
        return fault_set(fault, STATUS_INVALID, "the key is not the certificate's");
    }
    if (options->client_ca_pem.size > 0) {
        TRY(tls_read_certificates(&server->client_ca, options->client_ca_pem,
                                  "the clients' certificate authority", fault));
    }
    return status_ok();
}

static int configure(struct tls_server *server, const struct tls_options *options) {
    static const char *const both[] = {"h2", "http/1.1", NULL};
    static const int modes[] = {[TLS_CLIENT_NONE] = MBEDTLS_SSL_VERIFY_NONE,
                                [TLS_CLIENT_REQUEST] = MBEDTLS_SSL_VERIFY_OPTIONAL,
                                [TLS_CLIENT_REQUIRE] = MBEDTLS_SSL_VERIFY_REQUIRED};
    mbedtls_ssl_config *config = &server->config;
    bool asks = options->client_ca_pem.size > 0;
    int result = mbedtls_ssl_config_defaults(
        config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (result != 0) {
        return result;
    }
    set_versions(config, asks);
    mbedtls_ssl_conf_rng(config, tls_fill_random, NULL);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_authmode(config, asks ? modes[options->client_auth] : modes[TLS_CLIENT_NONE]);
    if (asks) {
        mbedtls_ssl_conf_ca_chain(config, &server->client_ca, NULL);
    }
    /* mbedTLS keeps the pointer and does not write through it. */
    const char **protocols = (const char **)(uintptr_t)(options->takes_http_2 ? both : both + 1);
    result = mbedtls_ssl_conf_alpn_protocols(config, protocols);
    if (result == 0) {
        result = mbedtls_ssl_conf_own_cert(config, &server->certificate, &server->key);
    }
    if (options->tickets != NULL) {
        tls_tickets_acquire(options->tickets);
        server->tickets = options->tickets;
        tls_tickets_configure(server->tickets, config);
    }
    return result;
}

struct status tls_server_open(const struct tls_options *options, struct tls_server **server_out,
                              struct fault *fault) {
    struct tls_server *server = calloc(1, sizeof(*server));
    if (server == NULL || !init_library()) {
        free(server);
        return fault_set(fault, STATUS_FULL, "no memory for TLS");
    }
    server->references = 1;
    mbedtls_ssl_config_init(&server->config);
    mbedtls_x509_crt_init(&server->certificate);
    mbedtls_x509_crt_init(&server->client_ca);
    mbedtls_pk_init(&server->key);
    struct status status = read_identity(server, options, fault);
    if (status_is_ok(status)) {
        int result = configure(server, options);
        status = result == 0 ? status : tls_explain(fault, "TLS", result);
    }
    if (!status_is_ok(status)) {
        tls_server_release(server);
        return status;
    }
    *server_out = server;
    return status_ok();
}

void tls_server_acquire(struct tls_server *server) {
    ASSERT(server->references > 0);
    server->references++;
}

void tls_server_release(struct tls_server *server) {
    if (server == NULL || --server->references > 0) {
        return;
    }
    mbedtls_ssl_config_free(&server->config);
    tls_tickets_release(server->tickets);
    mbedtls_x509_crt_free(&server->certificate);
    mbedtls_x509_crt_free(&server->client_ca);
    mbedtls_pk_free(&server->key);
    explicit_bzero(server, sizeof(*server));
    free(server);
}

/* --- Bytes to and from mbedTLS --- */

static int take_input(void *context, unsigned char *bytes, size_t size) {
    struct tls_conn *tls = context;
    size_t take = tls->input.size < size ? tls->input.size : size;
    if (take == 0) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    memcpy(bytes, tls->input.data, take);
    tls->input = slice_tail(tls->input, take);
    return (int)take;
}

static bool buffer_reserve(struct tls_buffer *buffer, size_t size) {
    size_t capacity = buffer->capacity < OUTPUT_BYTES_MIN ? OUTPUT_BYTES_MIN : buffer->capacity;
    while (capacity < size) {
        capacity *= 2;
    }
    if (capacity == buffer->capacity) {
        return true;
    }
    uint8_t *grown = capacity > OUTPUT_BYTES_MAX ? NULL : realloc(buffer->data, capacity);
    if (grown == NULL) {
        return false;
    }
    buffer->data = grown;
    buffer->capacity = capacity;
    return true;
}

static int add_output(void *context, const unsigned char *bytes, size_t size) {
    struct tls_conn *tls = context;
    struct tls_buffer *pending = &tls->pending;
    if (!buffer_reserve(pending, pending->size + size)) {
        return MBEDTLS_ERR_SSL_CONN_EOF;
    }
    memcpy(pending->data + pending->size, bytes, size);
    pending->size += size;
    return (int)size;
}

/* --- Connections --- */

struct status tls_conn_open(struct tls_server *server, struct tls_conn **tls_out) {
    struct tls_conn *tls = calloc(1, sizeof(*tls));
    if (tls == NULL) {
        return status_of(STATUS_FULL);
    }
    tls_server_acquire(server);
    tls->server = server;
    mbedtls_ssl_init(&tls->ssl);
    if (mbedtls_ssl_setup(&tls->ssl, &server->config) != 0) {
        tls_conn_close(tls);
        return status_of(STATUS_FULL);
    }
    mbedtls_ssl_set_bio(&tls->ssl, tls, add_output, take_input, NULL);
    *tls_out = tls;
    return status_ok();
}

void tls_conn_close(struct tls_conn *tls) {
    if (tls == NULL) {
        return;
    }
    mbedtls_ssl_free(&tls->ssl);
    tls_server_release(tls->server);
    free(tls->pending.data);
    free(tls->taken.data);
    free(tls);
}

static void add_name(struct tls_peer *peer, const mbedtls_x509_buf *name) {
    if (peer->names_count < TLS_PEER_NAMES_MAX && name->len > 0) {
        peer->names[peer->names_count++] = slice_of(name->p, name->len);
    }
}

/* RFC 5280, section 4.2.1.6: dNSName is [2], uniformResourceIdentifier [6]. */
static void read_names(const mbedtls_x509_crt *certificate, struct tls_peer *peer) {
    bool has_names = false;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    has_names = mbedtls_x509_crt_has_ext_type(certificate, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME) != 0;
#else
    has_names = (certificate->ext_types & MBEDTLS_X509_EXT_SUBJECT_ALT_NAME) != 0;
#endif
    const mbedtls_x509_sequence *item = has_names ? &certificate->subject_alt_names : NULL;
    for (; item != NULL; item = item->next) {
        int kind = item->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (kind == 2 || kind == 6) {
            add_name(peer, &item->buf);
        }
    }
    for (const mbedtls_x509_name *part = &certificate->subject; part != NULL; part = part->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0) {
            add_name(peer, &part->val);
        }
    }
}

static void read_peer(struct tls_conn *tls) {
    const mbedtls_x509_crt *certificate = mbedtls_ssl_get_peer_cert(&tls->ssl);
    if (certificate == NULL || mbedtls_ssl_get_verify_result(&tls->ssl) != 0) {
        return;
    }
    hash_certificate(certificate, tls->peer.sha256);
    read_names(certificate, &tls->peer);
    tls->has_peer = true;
}

void tls_conn_feed(struct tls_conn *tls, struct slice received) {
    tls->input = received;
}

static enum tls_event break_off(struct tls_conn *tls) {
    tls->has_ended = true; /* the alert was the last word */
    return TLS_BROKEN;
}

/* RFC 5246, 7.4.6, of a client without a certificate: "respond with a fatal handshake_failure
 * alert". Every other alert the library sends itself, and in 1.3 this one too; without it the
 * client would see no more than an end. */
static enum tls_event refuse_hands(struct tls_conn *tls, int result) {
    if (result == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE &&
        strcmp(mbedtls_ssl_get_version(&tls->ssl), "TLSv1.2") == 0) {
        (void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    }
    return break_off(tls);
}

enum tls_event tls_conn_read(struct tls_conn *tls, struct slice *plaintext_out) {
    if (!tls->is_established) {
        int result = mbedtls_ssl_handshake(&tls->ssl);
        if (result != 0) {
            return result == MBEDTLS_ERR_SSL_WANT_READ ? TLS_STARVED : refuse_hands(tls, result);
        }
        tls->is_established = true;
        read_peer(tls);
    }
    struct tls_server *server = tls->server;
    int result = mbedtls_ssl_read(&tls->ssl, server->plaintext, sizeof(server->plaintext));
    if (result > 0) {
        *plaintext_out = slice_of(server->plaintext, (size_t)result);
        return TLS_PLAINTEXT;
    }
    if (result == MBEDTLS_ERR_SSL_WANT_READ) {
        return TLS_STARVED;
    }
    bool is_end = result == 0 || result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
    return is_end ? TLS_ENDED : break_off(tls);
}

bool tls_conn_is_established(const struct tls_conn *tls) {
    return tls->is_established;
}

size_t tls_conn_write(struct tls_conn *tls, struct slice plaintext, bool *is_broken_out) {
    size_t taken = 0;
    while (tls->is_established && taken < plaintext.size &&
           tls->pending.size < OUTPUT_BYTES_ENOUGH) {
        int result = mbedtls_ssl_write(&tls->ssl, plaintext.data + taken, plaintext.size - taken);
        if (result <= 0) {
            *is_broken_out = true;
            return taken;
        }
        taken += (size_t)result;
    }
    return taken;
}

void tls_conn_end(struct tls_conn *tls) {
    if (tls->is_established && !tls->has_ended) {
        tls->has_ended = true;
        (void)mbedtls_ssl_close_notify(&tls->ssl);
    }
}

/* An idle connection keeps no buffer. */
struct slice tls_conn_take_output(struct tls_conn *tls) {
    free(tls->taken.data);
    tls->taken = tls->pending;
    tls->pending = (struct tls_buffer){0};
    return slice_of(tls->taken.data, tls->taken.size);
}

const struct tls_peer *tls_conn_peer(const struct tls_conn *tls) {
    return tls != NULL && tls->has_peer ? &tls->peer : NULL;
}
