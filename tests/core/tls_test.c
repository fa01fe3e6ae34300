/*
 * tls_test.c - the server's side of TLS against a client in memory: in pieces, resumed, tampered
 * with. The certificates are made when the test runs.
 */
#include "core/tls.h"

#include <errno.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/base/text.h"
#include "tests/base/unit.h"

enum { PIPE_BYTES = 512 * 1024 };

struct pipe {
    uint8_t bytes[PIPE_BYTES];
    size_t size;
};

struct talk {
    struct tls_server *server;
    struct tls_conn *tls;
    mbedtls_ssl_config config;
    mbedtls_ssl_context client;
    struct pipe to_server;
    struct pipe to_client;
    size_t piece;   /* bytes the server is fed at once */
    size_t flip_at; /* of what goes to the server; SIZE_MAX: none */
    size_t fed;
    struct pipe plain; /* what the server read */
    enum tls_event last;
    bool is_broken;
};

static int fill_random(void *context, unsigned char *bytes, size_t size) {
    (void)context;
    return getrandom(bytes, size, 0) == (ssize_t)size ? 0 : -1;
}

/* --- A certificate of our own making --- */

struct identity {
    char certificate[8192];
    char key[8192];
};

static void set_serial(mbedtls_x509write_cert *writer) {
#if MBEDTLS_VERSION_NUMBER >= 0x03040000
    unsigned char serial[] = {1};
    assert_int_equal(mbedtls_x509write_crt_set_serial_raw(writer, serial, sizeof(serial)), 0);
#else
    mbedtls_mpi serial;
    mbedtls_mpi_init(&serial);
    assert_int_equal(mbedtls_mpi_lset(&serial, 1), 0);
    assert_int_equal(mbedtls_x509write_crt_set_serial(writer, &serial), 0);
    mbedtls_mpi_free(&serial);
#endif
}

static void make_identity(struct identity *identity, const char *name) {
    mbedtls_pk_context key;
    mbedtls_x509write_cert writer;
    char subject[64];
    snprintf(subject, sizeof(subject), "CN=%s", name);
    mbedtls_pk_init(&key);
    mbedtls_x509write_crt_init(&writer);
    assert_int_equal(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(
        mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), fill_random, NULL), 0);
    mbedtls_x509write_crt_set_version(&writer, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&writer, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&writer, &key);
    mbedtls_x509write_crt_set_issuer_key(&writer, &key);
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&writer, subject), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&writer, subject), 0);
    set_serial(&writer);
    assert_int_equal(
        mbedtls_x509write_crt_set_validity(&writer, "20200101000000", "20991231235959"), 0);
    assert_int_equal(mbedtls_x509write_crt_pem(&writer, (unsigned char *)identity->certificate,
                                               sizeof(identity->certificate), fill_random, NULL),
                     0);
    assert_int_equal(
        mbedtls_pk_write_key_pem(&key, (unsigned char *)identity->key, sizeof(identity->key)), 0);
    mbedtls_x509write_crt_free(&writer);
    mbedtls_pk_free(&key);
}

static struct tls_options options_of(const struct identity *identity) {
    return (struct tls_options){
        .certificate_pem = slice_of_text(identity->certificate),
        .key_pem = slice_of_text(identity->key),
        .takes_http_2 = true,
    };
}

/* --- A conversation --- */

static int client_send(void *context, const unsigned char *bytes, size_t size) {
    struct pipe *pipe = &((struct talk *)context)->to_server;
    assert_true(pipe->size + size <= PIPE_BYTES);
    memcpy(pipe->bytes + pipe->size, bytes, size);
    pipe->size += size;
    return (int)size;
}

static int client_receive(void *context, unsigned char *bytes, size_t size) {
    struct pipe *pipe = &((struct talk *)context)->to_client;
    size_t take = pipe->size < size ? pipe->size : size;
    if (take == 0) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    memcpy(bytes, pipe->bytes, take);
    memmove(pipe->bytes, pipe->bytes + take, pipe->size - take);
    pipe->size -= take;
    return (int)take;
}

static void talk_begin(struct talk *talk, struct tls_server *server) {
    memset(talk, 0, sizeof(*talk));
    talk->server = server;
    talk->piece = SIZE_MAX;
    talk->flip_at = SIZE_MAX;
    assert_status(tls_conn_open(server, &talk->tls), OK);
    mbedtls_ssl_config_init(&talk->config);
    mbedtls_ssl_init(&talk->client);
    assert_int_equal(mbedtls_ssl_config_defaults(&talk->config, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_authmode(&talk->config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&talk->config, fill_random, NULL);
    assert_int_equal(mbedtls_ssl_setup(&talk->client, &talk->config), 0);
    mbedtls_ssl_set_bio(&talk->client, talk, client_send, client_receive, NULL);
}

static void talk_end(struct talk *talk) {
    mbedtls_ssl_free(&talk->client);
    mbedtls_ssl_config_free(&talk->config);
    tls_conn_close(talk->tls);
}

static void take_output(struct talk *talk) {
    struct slice output = tls_conn_take_output(talk->tls);
    assert_true(talk->to_client.size + output.size <= PIPE_BYTES);
    if (output.size > 0) {
        memcpy(talk->to_client.bytes + talk->to_client.size, output.data, output.size);
        talk->to_client.size += output.size;
    }
}

/* The server reads all that the client sent, in pieces of their own memory. */
static void serve(struct talk *talk) {
    for (size_t at = 0; at < talk->to_server.size && !talk->is_broken;) {
        size_t left = talk->to_server.size - at;
        size_t size = left < talk->piece ? left : talk->piece;
        uint8_t *piece = malloc(size);
        memcpy(piece, talk->to_server.bytes + at, size);
        if (talk->flip_at >= talk->fed && talk->flip_at < talk->fed + size) {
            piece[talk->flip_at - talk->fed] ^= 0x10;
        }
        tls_conn_feed(talk->tls, slice_of(piece, size));
        struct slice plain = {0};
        do {
            talk->last = tls_conn_read(talk->tls, &plain);
            if (talk->last == TLS_PLAINTEXT) {
                assert_true(talk->plain.size + plain.size <= PIPE_BYTES);
                memcpy(talk->plain.bytes + talk->plain.size, plain.data, plain.size);
                talk->plain.size += plain.size;
            }
        } while (talk->last == TLS_PLAINTEXT);
        talk->is_broken = talk->last == TLS_BROKEN;
        free(piece);
        at += size;
        talk->fed += size;
    }
    talk->to_server.size = 0;
    take_output(talk);
}

/* True when both sides agree. */
static bool shake_hands(struct talk *talk) {
    int result = MBEDTLS_ERR_SSL_WANT_READ;
    for (int i = 0; i < 20 && result != 0; i++) {
        result = mbedtls_ssl_handshake(&talk->client);
        serve(talk);
        if (result != 0 && result != MBEDTLS_ERR_SSL_WANT_READ) {
            break;
        }
    }
    return result == 0 && tls_conn_is_established(talk->tls);
}

static struct tls_server *open_server(struct identity *identity) {
    struct tls_server *server = NULL;
    struct fault fault = {{0}};
    make_identity(identity, "localhost");
    struct tls_options options = options_of(identity);
    assert_status(tls_server_open(&options, &server, &fault), OK);
    return server;
}

/* --- Tests --- */

static void bytes_come_through_in_pieces_of_any_size(void **state) {
    (void)state;
    static const size_t pieces[] = {1, 7, 1000, SIZE_MAX};
    struct identity identity;
    struct tls_server *server = open_server(&identity);
    struct talk *talk = malloc(sizeof(*talk));
    static uint8_t sent[200000];
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (uint8_t)(i * 31 >> 3);
    }
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        talk_begin(talk, server);
        talk->piece = pieces[i];
        assert_true(shake_hands(talk));
        size_t size = pieces[i] == 1 ? 3000 : sizeof(sent);
        for (size_t at = 0; at < size;) {
            int taken = mbedtls_ssl_write(&talk->client, sent + at, size - at);
            assert_true(taken > 0);
            at += (size_t)taken;
        }
        assert_int_equal(mbedtls_ssl_close_notify(&talk->client), 0);
        serve(talk);
        assert_int_equal(talk->last, TLS_ENDED);
        assert_int_equal(talk->plain.size, size);
        assert_memory_equal(talk->plain.bytes, sent, size);
        talk_end(talk);
    }
    free(talk);
    tls_server_release(server);
}

static void writing_waits_for_the_network(void **state) {
    (void)state;
    static uint8_t sent[300000];
    static uint8_t got[300000];
    struct identity identity;
    struct tls_server *server = open_server(&identity);
    struct talk *talk = malloc(sizeof(*talk));
    bool is_broken = false;
    talk_begin(talk, server);
    assert_int_equal(tls_conn_write(talk->tls, SLICE("too early"), &is_broken), 0);
    assert_true(shake_hands(talk));
    memset(sent, 'q', sizeof(sent));
    size_t written = 0;
    size_t received = 0;
    while (received < sizeof(sent)) {
        written +=
            tls_conn_write(talk->tls, slice_of(sent + written, sizeof(sent) - written), &is_broken);
        size_t again =
            tls_conn_write(talk->tls, slice_of(sent + written, sizeof(sent) - written), &is_broken);
        assert_int_equal(again, 0); /* what is encrypted must leave first */
        take_output(talk);
        assert_true(talk->to_client.size < 128 * 1024);
        int taken = mbedtls_ssl_read(&talk->client, got + received, sizeof(got) - received);
        while (taken > 0) {
            received += (size_t)taken;
            taken = mbedtls_ssl_read(&talk->client, got + received, sizeof(got) - received);
        }
    }
    assert_memory_equal(sent, got, sizeof(sent));
    tls_conn_end(talk->tls);
    take_output(talk);
    assert_int_equal(mbedtls_ssl_read(&talk->client, got, 1), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    talk_end(talk);
    free(talk);
    tls_server_release(server);
}

/* Wherever one bit is flipped, what was sent is not read, and nothing else is. */
static void one_flipped_bit_breaks_it_off(void **state) {
    (void)state;
    struct identity identity;
    struct tls_server *server = open_server(&identity);
    struct talk *talk = malloc(sizeof(*talk));
    size_t total = 0;
    for (size_t at = 0; at <= total; at += total < 400 || at + 60 > total ? 1 : 5) {
        talk_begin(talk, server);
        talk->flip_at = at == 0 ? SIZE_MAX : at - 1;
        bool is_met = shake_hands(talk);
        if (is_met) {
            (void)mbedtls_ssl_write(&talk->client, (const unsigned char *)"secret", 6);
            serve(talk);
        }
        bool is_whole = talk->plain.size == 6 && memcmp(talk->plain.bytes, "secret", 6) == 0;
        assert_true(talk->plain.size == 0 || is_whole);
        if (at == 0) {
            assert_true(is_whole);
            total = talk->fed;
        } else {
            assert_false(is_whole);
        }
        talk_end(talk);
    }
    assert_true(total > 300);
    free(talk);
    tls_server_release(server);
}

static void random_bytes_are_refused(void **state) {
    (void)state;
    struct identity identity;
    struct tls_server *server = open_server(&identity);
    for (int i = 0; i < 300; i++) {
        uint8_t bytes[400];
        struct tls_conn *tls = NULL;
        struct slice plain = {0};
        assert_int_equal(fill_random(NULL, bytes, sizeof(bytes)), 0);
        if (i % 2 == 0) { /* a record with a handshake message inside */
            memcpy(bytes, "\x16\x03\x01\x01\x80\x01\x00\x01\x7c\x03\x03", 11);
        }
        assert_status(tls_conn_open(server, &tls), OK);
        tls_conn_feed(tls, slice_of(bytes, sizeof(bytes)));
        assert_int_not_equal(tls_conn_read(tls, &plain), TLS_PLAINTEXT);
        assert_false(tls_conn_is_established(tls));
        tls_conn_close(tls);
    }
    tls_server_release(server);
}

static void a_key_of_another_certificate_is_told(void **state) {
    (void)state;
    struct identity one;
    struct identity other;
    struct tls_server *server = NULL;
    struct fault fault = {{0}};
    make_identity(&one, "one");
    make_identity(&other, "other");
    struct tls_options options = options_of(&one);
    options.key_pem = slice_of_text(other.key);
    assert_status(tls_server_open(&options, &server, &fault), INVALID);
    assert_string_equal(fault.words, "the key is not the certificate's");
    options.key_pem = SLICE("no key");
    assert_status(tls_server_open(&options, &server, &fault), INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_through_in_pieces_of_any_size),
        cmocka_unit_test(writing_waits_for_the_network),
        cmocka_unit_test(one_flipped_bit_breaks_it_off),
        cmocka_unit_test(random_bytes_are_refused),
        cmocka_unit_test(a_key_of_another_certificate_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
