/* tls_client.c - see tls_client.h. */
#include "core/tls_client.h"

#include <errno.h>
#include <mbedtls/version.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/tls_internal.h"
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

struct tls_client {
    int fd;
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    mbedtls_x509_crt certificate; /* the server's, and ours */
    mbedtls_pk_context key;
};

static int send_some(void *context, const unsigned char *bytes, size_t size) {
    const struct tls_client *client = context;
    ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR) { /* a socket with timeouts, in a process that was stopped */
        sent = send(client->fd, bytes, size, MSG_NOSIGNAL);
    }
    return sent > 0 ? (int)sent : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int receive_some(void *context, unsigned char *bytes, size_t size) {
    const struct tls_client *client = context;
    ssize_t got = read(client->fd, bytes, size);
    while (got < 0 && errno == EINTR) {
        got = read(client->fd, bytes, size);
    }
    return got > 0 ? (int)got : got == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : MBEDTLS_ERR_SSL_TIMEOUT;
}

/* No authority is asked: the certificate itself is known. */
static struct status configure(struct tls_client *client, const struct tls_options *server,
                               struct fault *fault) {
    TRY(tls_read_certificates(&client->certificate, server->certificate_pem, "the certificate",
                              fault));
    TRY(tls_read_key(&client->key, server->key_pem, fault));
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (psa_crypto_init() != PSA_SUCCESS) {
        return fault_set(fault, STATUS_FULL, "no memory for TLS");
    }
#endif
    int result =
        mbedtls_ssl_config_defaults(&client->config, MBEDTLS_SSL_IS_CLIENT,
                                    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&client->config, tls_fill_random, NULL);
    mbedtls_ssl_conf_authmode(&client->config, MBEDTLS_SSL_VERIFY_NONE);
    if (result == 0) {
        result = mbedtls_ssl_conf_own_cert(&client->config, &client->certificate, &client->key);
    }
    if (result == 0) {
        result = mbedtls_ssl_setup(&client->ssl, &client->config);
    }
    mbedtls_ssl_set_bio(&client->ssl, client, send_some, receive_some, NULL);
    return result == 0 ? status_ok() : tls_explain(fault, "TLS", result);
}

static bool is_expected(const struct tls_client *client) {
    const mbedtls_x509_crt *shown = mbedtls_ssl_get_peer_cert(&client->ssl);
    const mbedtls_x509_buf *wanted = &client->certificate.raw;
    return shown != NULL && shown->raw.len == wanted->len &&
           memcmp(shown->raw.p, wanted->p, wanted->len) == 0;
}

struct status tls_client_open(int fd, const struct tls_options *server,
                              struct tls_client **client_out, struct fault *fault) {
    struct tls_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for TLS");
    }
    client->fd = fd;
    mbedtls_ssl_config_init(&client->config);
    mbedtls_ssl_init(&client->ssl);
    mbedtls_x509_crt_init(&client->certificate);
    mbedtls_pk_init(&client->key);
    struct status status = configure(client, server, fault);
    if (status_is_ok(status)) {
        int result = mbedtls_ssl_handshake(&client->ssl);
        status = result == 0 ? status : tls_explain(fault, "TLS with the running quell", result);
    }
    if (status_is_ok(status) && !is_expected(client)) {
        status = fault_set(fault, STATUS_INVALID,
                           "who answers shows another certificate than the configuration names");
    }
    if (!status_is_ok(status)) {
        tls_client_close(client);
        return status;
    }
    *client_out = client;
    return status_ok();
}

bool tls_client_send(struct tls_client *client, struct slice bytes) {
    while (bytes.size > 0) {
        int sent = mbedtls_ssl_write(&client->ssl, bytes.data, bytes.size);
        if (sent <= 0) {
            return false;
        }
        bytes = slice_tail(bytes, (size_t)sent);
    }
    return true;
}

long tls_client_receive(struct tls_client *client, void *bytes, size_t size) {
    int got = mbedtls_ssl_read(&client->ssl, bytes, size);
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
    while (got == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) { /* of no use to us */
        got = mbedtls_ssl_read(&client->ssl, bytes, size);
    }
#endif
    return got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? 0 : got;
}

void tls_client_close(struct tls_client *client) {
    if (client == NULL) {
        return;
    }
    mbedtls_ssl_free(&client->ssl);
    mbedtls_ssl_config_free(&client->config);
    mbedtls_x509_crt_free(&client->certificate);
    mbedtls_pk_free(&client->key);
    free(client);
}
