/* guard_test.c - which addresses a sink may reach, in every disguise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "sinks/guard.h"

static const char *judge(enum sink_addresses allowed, const char *words) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, words, &in.sin_addr) == 1) {
        return guard_words(allowed, (const struct sockaddr *)&in);
    }
    assert_int_equal(inet_pton(AF_INET6, words, &in6.sin6_addr), 1);
    return guard_words(allowed, (const struct sockaddr *)&in6);
}

static void link_local_and_metadata_are_never_reached_unless_asked_for(void **state) {
    (void)state;
    static const char *const local[] = {
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
    };
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        assert_non_null(judge(SINK_ADDRESSES_PUBLIC, local[i]));
        assert_non_null(judge(SINK_ADDRESSES_PRIVATE, local[i]));
        assert_null(judge(SINK_ADDRESSES_ANY, local[i]));
    }
}

static void private_networks_are_reached_unless_only_public_ones_may(void **state) {
    (void)state;
    static const char *const private[] = {
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "0.0.0.0",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "198.19.0.1",
        "::1",
        "::",
        "fc00::1",
        "fdff::1",
        "::ffff:10.1.2.3",
        "240.0.0.1",
        "2002:0a00:1::",
        "64:ff9b::127.0.0.1",
    };
    for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
        assert_non_null(judge(SINK_ADDRESSES_PUBLIC, private[i]));
        assert_null(judge(SINK_ADDRESSES_PRIVATE, private[i]));
    }
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    assert_non_null(guard_words(SINK_ADDRESSES_PUBLIC, (const struct sockaddr *)&un));
    assert_null(guard_words(SINK_ADDRESSES_PRIVATE, (const struct sockaddr *)&un));
}

static void public_ones_are_always_reached(void **state) {
    (void)state;
    static const char *const public[] = {
        "8.8.8.8",         "172.15.255.255", "172.32.0.1",     "100.63.255.255",  "100.128.0.1",
        "169.253.255.255", "169.255.0.1",    "192.167.0.1",    "223.255.255.255", "11.0.0.1",
        "2606:4700::1",    "fec0:1::",       "::ffff:8.8.8.8", "2001:db8::1",
    };
    for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
        bool is_site_local = strcmp(public[i], "fec0:1::") == 0; /* deprecated: private */
        assert_int_equal(judge(SINK_ADDRESSES_PUBLIC, public[i]) != NULL, is_site_local);
        assert_null(judge(SINK_ADDRESSES_PRIVATE, public[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_local_and_metadata_are_never_reached_unless_asked_for),
        cmocka_unit_test(private_networks_are_reached_unless_only_public_ones_may),
        cmocka_unit_test(public_ones_are_always_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
