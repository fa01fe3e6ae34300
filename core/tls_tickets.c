/*
 * tls_tickets.c - the keys of session tickets, shared by servers of many threads: a client that
 * comes back to another thread, or behind a reload, resumes. See tls.h.
 *
 * mbedTLS holds two keys: one that makes tickets, and the one before it; each lives
 * TICKET_LIFETIME_S, so a ticket is taken for at least as long. Its context is locked here, once a
 * handshake, because not every build of mbedTLS locks it.
 */
#include <mbedtls/ssl_ticket.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/tls_internal.h"

enum { TICKET_LIFETIME_S = 6 * 3600 };

struct tls_tickets {
    pthread_mutex_t lock;
    mbedtls_ssl_ticket_context context;
    atomic_uint references;
};

struct status tls_tickets_open(struct tls_tickets **tickets_out) {
    struct tls_tickets *tickets = calloc(1, sizeof(*tickets));
    if (tickets == NULL) {
        return status_of(STATUS_FULL);
    }
    pthread_mutex_init(&tickets->lock, NULL);
    mbedtls_ssl_ticket_init(&tickets->context);
    atomic_init(&tickets->references, 1);
    if (mbedtls_ssl_ticket_setup(&tickets->context, tls_fill_random, NULL,
                                 MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S) != 0) {
        tls_tickets_release(tickets);
        return status_of(STATUS_FULL);
    }
    *tickets_out = tickets;
    return status_ok();
}

void tls_tickets_acquire(struct tls_tickets *tickets) {
    ASSERT(atomic_fetch_add(&tickets->references, 1) > 0);
}

void tls_tickets_release(struct tls_tickets *tickets) {
    if (tickets == NULL || atomic_fetch_sub(&tickets->references, 1) > 1) {
        return;
    }
    mbedtls_ssl_ticket_free(&tickets->context);
    pthread_mutex_destroy(&tickets->lock);
    explicit_bzero(tickets, sizeof(*tickets));
    free(tickets);
}

static int write_ticket(void *context, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *size_out, uint32_t *lifetime_s_out) {
    struct tls_tickets *tickets = context;
    pthread_mutex_lock(&tickets->lock);
    int result =
        mbedtls_ssl_ticket_write(&tickets->context, session, start, end, size_out, lifetime_s_out);
    pthread_mutex_unlock(&tickets->lock);
    return result;
}

static int parse_ticket(void *context, mbedtls_ssl_session *session, unsigned char *ticket,
                        size_t size) {
    struct tls_tickets *tickets = context;
    pthread_mutex_lock(&tickets->lock);
    int result = mbedtls_ssl_ticket_parse(&tickets->context, session, ticket, size);
    pthread_mutex_unlock(&tickets->lock);
    return result;
}

void tls_tickets_configure(struct tls_tickets *tickets, mbedtls_ssl_config *config) {
    mbedtls_ssl_conf_session_tickets_cb(config, write_ticket, parse_ticket, tickets);
}
