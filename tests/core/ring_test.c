/* ring_test.c - the ring between two threads, and what the threads tell people: log and numbers. */
#include "tests/base/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"
#include "core/ring.h"
#include "core/stats.h"
#include "core/terminal.h"

enum { ITEMS = 100000 };

static void *push_all(void *argument) {
    struct ring *ring = argument;
    for (uintptr_t i = 1; i <= ITEMS; i++) {
        while (!ring_push(ring, (void *)i)) {
            (void)sched_yield();
        }
    }
    return NULL;
}

static void two_threads_lose_and_reorder_nothing(void **state) {
    struct arena arena;
    struct ring ring;
    pthread_t producer;
    assert_status(arena_init(&arena, 4096), OK);
    assert_status(ring_init(&ring, 64, &arena), OK);
    assert_int_equal(pthread_create(&producer, NULL, push_all, &ring), 0);
    for (uintptr_t wanted = 1; wanted <= ITEMS;) {
        void *item = ring_pop(&ring);
        if (item == NULL) {
            (void)sched_yield();
            continue;
        }
        assert_int_equal((uintptr_t)item, wanted);
        wanted++;
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    assert_null(ring_pop(&ring));
    arena_deinit(&arena);
}

static void a_full_ring_refuses_until_one_is_taken(void **state) {
    struct arena arena;
    struct ring ring;
    int items[3];
    assert_status(arena_init(&arena, 4096), OK);
    assert_status(ring_init(&ring, 2, &arena), OK);
    assert_true(ring_push(&ring, &items[0]));
    assert_true(ring_push(&ring, &items[1]));
    assert_false(ring_push(&ring, &items[2]));
    assert_int_equal(ring_count(&ring), 2);
    assert_ptr_equal(ring_pop(&ring), &items[0]);
    assert_true(ring_push(&ring, &items[2]));
    arena_deinit(&arena);
}

static size_t logged_line(enum log_format format, const char *words, char *line, size_t capacity) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct logger logger = {.fd = ends[1], .format = format, .level_min = LOG_LEVEL_INFO};
    log_write(&logger, LOG_LEVEL_DEBUG, "test", "below the level");
    log_write(NULL, LOG_LEVEL_ERROR, "test", "nobody listens");
    log_write(&logger, LOG_LEVEL_ERROR, "test", "%s", words);
    close(ends[1]);
    ssize_t size = read(ends[0], line, capacity - 1);
    close(ends[0]);
    assert_true(size > 0);
    line[size] = 0;
    return (size_t)size;
}

static void a_line_of_control_characters_is_still_whole_json(void **state) {
    char words[4000];
    char line[20000];
    memset(words, 0x01, sizeof(words) - 1);
    words[sizeof(words) - 1] = 0;
    size_t size = logged_line(LOG_FORMAT_JSON, words, line, sizeof(line));
    assert_string_equal(line + size - 9, "\\u0001\"}\n");
    assert_non_null(strstr(line, "\"level\":\"error\",\"area\":\"test\",\"message\":\"\\u0001"));
}

static void a_log_that_nobody_reads_stops_nobody_and_tells_what_was_lost(void **state) {
    static char lines[100000];
    int ends[2];
    struct log_losses losses = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    (void)alarm(60); /* instead of waiting for ever */
    assert_int_equal(pipe(ends), 0);
    struct logger logger = {.fd = ends[1], .losses = &losses};
    for (int i = 0; i < 1000; i++) {
        log_write(&logger, LOG_LEVEL_INFO, "test", "%0500d", i);
    }
    ssize_t size = read(ends[0], lines, sizeof(lines));
    assert_true(size > 0 && lines[size - 1] == '\n');
    uint64_t kept = 0;
    for (ssize_t i = 0; i < size; i++) {
        kept += lines[i] == '\n' ? 1 : 0;
    }
    assert_true(kept > 0 && losses.lines == 1000 - kept);
    char words[64];
    (void)snprintf(words, sizeof(words), "\"%llu lines lost: ", 1000ULL - kept);
    log_write(&logger, LOG_LEVEL_INFO, "test", "once more");
    size = read(ends[0], lines, sizeof(lines) - 1);
    assert_true(size > 0);
    lines[size] = 0;
    assert_non_null(strstr(lines, words));
    assert_non_null(strstr(lines, "once more"));
    (void)alarm(0);
    close(ends[0]);
    close(ends[1]);
}

/* Adds what is seen on the screen now; it does not wait. */
static void look(int screen, struct text *seen) {
    ssize_t got = 0;
    while ((got = read(screen, seen->data + seen->size, seen->capacity - seen->size)) > 0) {
        seen->size += (size_t)got;
    }
}

static void a_log_on_a_terminal_that_nobody_reads_stops_nobody(void **state) {
    static char lines[100000];
    struct text seen = text_over(lines, sizeof(lines) - 1);
    struct log_losses losses = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    int screen = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(screen >= 0 && grantpt(screen) == 0 && unlockpt(screen) == 0);
    int shared = open(ptsname(screen), O_RDWR | O_NOCTTY);
    assert_true(shared >= 0);
    (void)alarm(60); /* instead of waiting for ever */
    struct logger logger = {.fd = terminal_open(shared), .losses = &losses};
    assert_true(logger.fd != shared && (fcntl(shared, F_GETFL) & O_NONBLOCK) == 0);
    for (int i = 0; i < 1000; i++) {
        log_write(&logger, LOG_LEVEL_INFO, "test", "%0500d", i);
    }
    look(screen, &seen);
    assert_true(losses.lines > 0 && losses.lines < 1000);
    char words[64];
    while (losses.lines > 0) { /* until there is room for what was lost and for one more */
        (void)snprintf(words, sizeof(words),
                       "\"%llu lines lost: ", (unsigned long long)losses.lines);
        usleep(100 * 1000); /* the kernel moves what waited behind what was read */
        look(screen, &seen);
        log_write(&logger, LOG_LEVEL_INFO, "test", "once more");
    }
    while (strstr(lines, "once more") == NULL) {
        usleep(100 * 1000);
        look(screen, &seen);
    }
    const char *told = strstr(lines, words);
    assert_non_null(told);
    assert_non_null(strstr(told, "once more"));
    size_t before = 0; /* on its line: time, level and area, and nothing that was cut */
    while (told[-1 - (ptrdiff_t)before] != '\n') {
        before++;
    }
    assert_true(before < 100);
    assert_true(lines[seen.size - 1] == '\n');
    (void)alarm(0);
    terminal_close(logger.fd, shared);
    close(shared);
    close(screen);
}

static void a_text_line_cannot_be_forged(void **state) {
    char line[2000];
    size_t size = logged_line(LOG_FORMAT_TEXT, "a\nb\x1b[2J", line, sizeof(line));
    assert_string_equal(line + size - 8, "a?b?[2J\n");
}

static void numbers_are_told_with_help_and_type(void **state) {
    static struct stats stats;
    static char memory[16384];
    struct text text = text_over(memory, sizeof(memory));
    stats_add(&stats, STAT_HTTP_REQUESTS, 2);
    stats_add(&stats, STAT_HTTP_REQUESTS, 3);
    stats_set(&stats, STAT_CONNECTIONS, 9);
    stats_add_prometheus(&stats, &text);
    assert_false(text.truncated);
    assert_non_null(strstr(memory, "# TYPE quell_http_requests_total counter\n"
                                   "quell_http_requests_total 5\n"));
    assert_non_null(strstr(memory, "# TYPE quell_connections gauge\nquell_connections 9\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_lose_and_reorder_nothing),
        cmocka_unit_test(a_full_ring_refuses_until_one_is_taken),
        cmocka_unit_test(a_line_of_control_characters_is_still_whole_json),
        cmocka_unit_test(a_log_that_nobody_reads_stops_nobody_and_tells_what_was_lost),
        cmocka_unit_test(a_log_on_a_terminal_that_nobody_reads_stops_nobody),
        cmocka_unit_test(a_text_line_cannot_be_forged),
        cmocka_unit_test(numbers_are_told_with_help_and_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
