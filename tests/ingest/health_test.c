/* health_test.c - Check and Watch, by their messages: changes, bounds, clients that leave, the end.
 */
#include "ingest/health.h"

#include <stdlib.h>

#include "core/base/text.h"
#include "tests/base/unit.h"

enum { CLIENTS_MAX = HEALTH_WATCHERS_MAX + 8 };

/* What each client heard: bodies in hex, then its trailers or, of an answer without, its headers.
 */
struct client {
    char heard[512];
    size_t heard_size;
    bool is_gone; /* left, or answered to the end */
};

static struct client clients[CLIENTS_MAX];
static struct health *health;

static int open_world(void **state) {
    (void)state;
    memset(clients, 0, sizeof(clients));
    health = calloc(1, sizeof(*health));
    assert_non_null(health);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    free(health);
    return 0;
}

static void hear(struct http_exchange exchange, const struct http_answer *answer) {
    struct client *client = &clients[exchange.index];
    assert_false(client->is_gone);
    struct text text = text_over(client->heard + client->heard_size,
                                 sizeof(client->heard) - client->heard_size - 1);
    text_add_hex(&text, answer->body);
    if (!answer->is_unfinished) {
        client->is_gone = true;
        text_add_text(&text, answer->trailers != NULL ? answer->trailers : answer->headers);
    }
    text_add_text(&text, " ");
    assert_false(text.truncated);
    client->heard_size += text.size;
    client->heard[client->heard_size] = 0;
}

static bool is_there(struct http_exchange exchange) {
    return !clients[exchange.index].is_gone;
}

static void call(uint32_t client, const char *method, struct slice body, bool is_serving) {
    struct http_exchange exchange = {.answer = hear, .is_waiting = is_there, .index = client};
    struct http_request request = {.path = slice_of_text(method), .body = body, .is_http_2 = true};
    assert_true(health_take(health, exchange, &request, is_serving));
}

#define CHECK "/grpc.health.v1.Health/Check"
#define WATCH "/grpc.health.v1.Health/Watch"
#define ALL slice_of("\0\0\0\0\0", 5)
#define NOBODY slice_of("\0\0\0\0\3\x0a\1x", 8)
/* Messages, behind their prefix. */
#define IS_SERVING "00000000020801 "
#define IS_NOT_SERVING "00000000020802 "
#define IS_UNKNOWN "00000000020803 "
#define WENT_DOWN "grpc-status: 14\r\ngrpc-message: the server goes down\r\n "

static void assert_heard(uint32_t client, const char *wanted) {
    assert_string_equal(clients[client].heard, wanted);
}

static void check_is_answered_once(void **state) {
    (void)state;
    call(0, CHECK, ALL, true);
    call(1, CHECK, ALL, false);
    call(2, CHECK, NOBODY, true);
    call(3, CHECK, slice_of("\0\0\0\0\1\x0a", 6), true);
    assert_heard(0, "00000000020801grpc-status: 0\r\n ");
    assert_heard(1, "00000000020802grpc-status: 0\r\n ");
    assert_memory_equal(clients[2].heard, "grpc-status: 5\r\n", 16);
    assert_memory_equal(clients[3].heard, "grpc-status: 3\r\n", 16);
    struct http_request other = {.path = SLICE("/grpc.health.v1.Health/List"), .body = ALL};
    struct http_exchange exchange = {.answer = hear, .is_waiting = is_there};
    assert_false(health_take(health, exchange, &other, true));
}

static void watchers_hear_changes_and_nothing_else(void **state) {
    (void)state;
    call(0, WATCH, ALL, false);
    call(1, WATCH, ALL, false);
    health_tell(health, false);
    assert_heard(0, IS_NOT_SERVING);
    health_tell(health, true);
    health_tell(health, true);
    assert_heard(0, IS_NOT_SERVING IS_SERVING);
    assert_heard(1, IS_NOT_SERVING IS_SERVING);
    call(2, WATCH, ALL, false); /* it comes with news for the others */
    assert_heard(1, IS_NOT_SERVING IS_SERVING IS_NOT_SERVING);
    assert_heard(2, IS_NOT_SERVING);
}

/* "If the requested service is unknown when the call is received, the server [...] must send a
 * response message with the status set to SERVICE_UNKNOWN" and "keep the call open". */
static void an_unknown_service_is_told_and_kept_open(void **state) {
    (void)state;
    call(0, WATCH, NOBODY, true);
    health_tell(health, false);
    assert_heard(0, IS_UNKNOWN);
    assert_false(clients[0].is_gone);
}

static void the_end_is_told_to_all_and_to_who_comes_later(void **state) {
    (void)state;
    call(0, WATCH, ALL, true);
    call(1, WATCH, NOBODY, true);
    health_end(health);
    call(2, WATCH, ALL, true);
    assert_heard(0, IS_SERVING IS_NOT_SERVING WENT_DOWN);
    assert_heard(1, IS_UNKNOWN IS_UNKNOWN WENT_DOWN);
    assert_heard(2, IS_NOT_SERVING WENT_DOWN);
    health_tell(health, false); /* nobody is left to hear it */
}

static void watchers_are_bounded_and_who_left_makes_room(void **state) {
    (void)state;
    for (uint32_t i = 0; i < HEALTH_WATCHERS_MAX; i++) {
        call(i, WATCH, ALL, true);
    }
    call(HEALTH_WATCHERS_MAX, WATCH, ALL, true);
    assert_heard(HEALTH_WATCHERS_MAX,
                 "grpc-status: 8\r\ngrpc-message: too many watch already\r\n ");
    clients[7].is_gone = true;
    call(HEALTH_WATCHERS_MAX + 1, WATCH, ALL, true);
    assert_heard(HEALTH_WATCHERS_MAX + 1, IS_SERVING);
    health_tell(health, false);
    assert_heard(7, IS_SERVING);
    assert_heard(HEALTH_WATCHERS_MAX + 1, IS_SERVING IS_NOT_SERVING);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(check_is_answered_once),
        TEST(watchers_hear_changes_and_nothing_else),
        TEST(an_unknown_service_is_told_and_kept_open),
        TEST(the_end_is_told_to_all_and_to_who_comes_later),
        TEST(watchers_are_bounded_and_who_left_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
