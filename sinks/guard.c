/* guard.c - see guard.h. The prefixes are those of the IANA special-purpose address registries (RFC
 * 6890) and of the metadata services of clouds. */
#include "sinks/guard.h"

#include <netinet/in.h>
#include <string.h>

struct prefix {
    uint8_t bytes[16];
    uint8_t bits;
};

/* Never but with "any": what a machine says to itself and its closest neighbours, metadata. */
static const struct prefix local_4[] = {
    {{169, 254}, 16},           /* link-local, and the metadata of most clouds */
    {{100, 100, 100, 200}, 32}, /* metadata */
    {{192, 0, 0, 192}, 32},     /* metadata */
    {{224}, 4},                 /* multicast */
    {{255, 255, 255, 255}, 32},
};
static const struct prefix local_6[] = {
    {{0xFE, 0x80}, 10},
    {{0xFF}, 8},
    {{0xFD, 0x00, 0x0E, 0xC2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128}, /* metadata */
};
static const struct prefix private_4[] = {
    {{0}, 8},          {{10}, 8},        {{100, 64}, 10}, {{127}, 8}, {{172, 16}, 12},
    {{192, 0, 0}, 24}, {{192, 168}, 16}, {{198, 18}, 15}, {{240}, 4},
};
static const struct prefix private_6[] = {
    {{0}, 127}, /* :: and ::1 */
    {{0xFC}, 7},
    {{0xFE, 0xC0}, 10},
    {{0x01, 0x00}, 64},
};
/* IPv4 inside IPv6: where it begins. */
static const struct {
    struct prefix prefix;
    uint8_t at;
} embedded[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96}, 12}, /* mapped */
    {{{0, 0x64, 0xFF, 0x9B}, 96}, 12},                      /* NAT64 */
    {{{0x20, 0x02}, 16}, 2},                                /* 6to4 */
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool prefix_matches(const struct prefix *prefix, const uint8_t *address) {
    size_t whole = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;
    if (memcmp(prefix->bytes, address, whole) != 0) {
        return false;
    }
    unsigned mask = 0xFFu << (8 - rest) & 0xFF;
    return rest == 0 || ((prefix->bytes[whole] ^ address[whole]) & mask) == 0;
}

static bool is_in(const struct prefix *list, size_t count, const uint8_t *address) {
    for (size_t i = 0; i < count; i++) {
        if (prefix_matches(&list[i], address)) {
            return true;
        }
    }
    return false;
}

static const char *words_of(enum sink_addresses allowed, bool is_local, bool is_private) {
    if (is_local && allowed != SINK_ADDRESSES_ANY) {
        return "the address is link-local or a metadata service: refused (sinks.addresses)";
    }
    if (is_private && allowed == SINK_ADDRESSES_PUBLIC) {
        return "the address is private: refused (sinks.addresses)";
    }
    return NULL;
}

static const char *words_of_4(enum sink_addresses allowed, const uint8_t *address) {
    return words_of(allowed, is_in(local_4, COUNT(local_4), address),
                    is_in(private_4, COUNT(private_4), address));
}

const char *guard_words(enum sink_addresses allowed, const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return words_of_4(allowed, (const uint8_t *)&in.sin_addr);
    }
    if (address->sa_family != AF_INET6) {
        return words_of(allowed, address->sa_family != AF_UNIX, true);
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof(in6));
    const uint8_t *bytes = in6.sin6_addr.s6_addr;
    for (size_t i = 0; i < COUNT(embedded); i++) {
        if (prefix_matches(&embedded[i].prefix, bytes)) {
            return words_of_4(allowed, bytes + embedded[i].at);
        }
    }
    return words_of(allowed, is_in(local_6, COUNT(local_6), bytes),
                    is_in(private_6, COUNT(private_6), bytes));
}

const char *guard_socket_words(enum sink_addresses allowed, int fd) {
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0) {
        return NULL;
    }
    return guard_words(allowed, (const struct sockaddr *)&peer);
}
