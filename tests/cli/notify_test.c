/* notify_test.c - what a service manager is told while a start takes long. */
#include "tests/base/scratch.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "cli/notify.h"
#include "core/base/limits.h"

struct manager {
    char directory[32];
    int fd;
    char words[512];
};

static int set_up(void **state) {
    struct manager *manager = calloc(1, sizeof(*manager));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(manager);
    scratch_make(manager->directory, sizeof(manager->directory));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", manager->directory);
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(manager->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
    *state = manager;
    return 0;
}

static int tear_down(void **state) {
    struct manager *manager = *state;
    unsetenv("NOTIFY_SOCKET");
    close(manager->fd);
    scratch_remove(manager->directory);
    free(manager);
    return 0;
}

/* The next datagram; "" for none. */
static const char *heard(struct manager *manager) {
    ssize_t size = recv(manager->fd, manager->words, sizeof(manager->words) - 1, 0);
    manager->words[size > 0 ? size : 0] = 0;
    return manager->words;
}

static void a_start_that_goes_on_is_given_more_time(void **state) {
    struct manager *manager = *state;
    struct notify_start start;
    notify_start_init(&start, 20 * NS_PER_MS);
    usleep(30 * 1000);
    notify_start_tell(&start, "records of the journal replayed, up to", 7);
    assert_string_equal(heard(manager), "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=starting: records of "
                                        "the journal replayed, up to: 7");
    usleep(30 * 1000);
    notify_start_tell(&start, "rows", UINT64_MAX);
    assert_non_null(strstr(heard(manager), "STATUS=starting: rows: 18446744073709551615"));
    notify_start_end(&start);
    assert_string_equal(heard(manager), "STATUS=");
    notify_start_tell(&start, "rows", 8); /* from then on it is on its own */
    assert_string_equal(heard(manager), "");
}

static void of_a_quick_start_nothing_is_told(void **state) {
    struct manager *manager = *state;
    struct notify_start start;
    notify_start_init(&start, NS_PER_HOUR);
    for (uint64_t i = 0; i < 1000; i++) {
        notify_start_tell(&start, "rows", i);
    }
    notify_start_end(&start);
    assert_string_equal(heard(manager), "");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_start_that_goes_on_is_given_more_time),
        TEST(of_a_quick_start_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
