/*
 * tls.h - the server's side of TLS over bytes in memory: no socket, no loop. loop_tls.c joins it to
 * connections. By mbedTLS, 2.28 and 3.x (tls.c is the only file that knows its TLS).
 *
 * TLS 1.2 at least, 1.3 where the library has it; only suites with forward secrecy and AEAD, as
 * HTTP/2 asks (RFC 9113, section 9.2.2); no renegotiation. Sessions resume by tickets whose keys
 * live in memory only, change every six hours, and are shared by all servers that are given them
 * (struct tls_tickets). What a ticket holds was true of its client when it was made: who judges
 * clients otherwise than before needs new keys.
 *
 * Memory: about 40 KiB a connection, of mbedTLS. Thread: a server and its connections belong to one
 * thread; the count of references too.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/limits.h"
#include "core/base/slice.h"
#include "core/base/status.h"

struct tls_server;
struct tls_conn;
struct tls_tickets;

enum tls_client_auth {
    TLS_CLIENT_NONE,
    TLS_CLIENT_REQUEST, /* who shows a good certificate is known by it; others are let in */
    TLS_CLIENT_REQUIRE,
};

struct tls_options {
    struct slice certificate_pem; /* the chain, own certificate first */
    struct slice key_pem;
    struct slice client_ca_pem; /* who signs clients' certificates; empty: nobody is asked */
    enum tls_client_auth client_auth;
    bool takes_http_2;           /* offered by ALPN beside http/1.1 */
    struct tls_tickets *tickets; /* the server acquires a reference; NULL: no session resumes */
};

/* FULL without memory. One reference. Any thread. */
MUST_CHECK struct status tls_tickets_open(struct tls_tickets **tickets_out);
void tls_tickets_acquire(struct tls_tickets *tickets);
/* NULL is allowed. */
void tls_tickets_release(struct tls_tickets *tickets);

/* Who the client proved to be. Slices live as long as the connection. */
struct tls_peer {
    uint8_t sha256[32];                     /* of the certificate */
    struct slice names[TLS_PEER_NAMES_MAX]; /* DNS names and URIs it stands for; its common name */
    uint32_t names_count;
};

/* INVALID with words: what of the certificate, key or authority is wrong. One reference. */
MUST_CHECK struct status tls_server_open(const struct tls_options *options,
                                         struct tls_server **server_out, struct fault *fault);
void tls_server_acquire(struct tls_server *server);
/* The last one frees it; a connection holds one. NULL is allowed. */
void tls_server_release(struct tls_server *server);

/* FULL without memory. */
MUST_CHECK struct status tls_conn_open(struct tls_server *server, struct tls_conn **tls_out);
/* NULL is allowed. */
void tls_conn_close(struct tls_conn *tls);

enum tls_event {
    TLS_STARVED,   /* everything that was fed is used up */
    TLS_PLAINTEXT, /* some came, valid until the next call on any connection of the server */
    TLS_ENDED,     /* the peer sends no more (close_notify) */
    TLS_BROKEN,    /* not TLS, refused, or tampered with; an alert may stand in the output */
};
/* Gives received bytes; they must live until tls_conn_read says anything but PLAINTEXT, or until
 * others are given. */
void tls_conn_feed(struct tls_conn *tls, struct slice received);
/* Shakes hands and decrypts as far as what was fed goes. */
enum tls_event tls_conn_read(struct tls_conn *tls, struct slice *plaintext_out);
bool tls_conn_is_established(const struct tls_conn *tls);
/* Encrypts from the front of the plaintext, as much as fits; the bytes taken. 0 before hands were
 * shaken, or when the output must be sent first. BROKEN: is_broken_out. */
size_t tls_conn_write(struct tls_conn *tls, struct slice plaintext, bool *is_broken_out);
/* Tells the peer that no more will come. */
void tls_conn_end(struct tls_conn *tls);
/* What there is to send; it lives until the next call. Empty: nothing. */
struct slice tls_conn_take_output(struct tls_conn *tls);
/* NULL: the client showed no certificate, or none that the authority signed. */
const struct tls_peer *tls_conn_peer(const struct tls_conn *tls);
