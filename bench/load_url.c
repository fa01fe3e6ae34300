/* load_url.c - where a load goes (see open_loop.h). */
#include <netdb.h>

#include "bench/open_loop.h"

static struct status resolve(const char *host, const char *port, struct load_address *address_out,
                             struct fault *fault) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(host, port, &hints, &found);
    if (result != 0) {
        return fault_set(fault, STATUS_INVALID, "cannot resolve %s port %s: %s", host, port,
                         gai_strerror(result));
    }
    memcpy(&address_out->socket_address, found->ai_addr, found->ai_addrlen);
    address_out->size = found->ai_addrlen;
    freeaddrinfo(found);
    return status_ok();
}

static struct status copy(struct slice from, char *to, size_t size) {
    if (from.size == 0 || from.size >= size) {
        return status_of(STATUS_INVALID);
    }
    memcpy(to, from.data, from.size);
    to[from.size] = 0;
    return status_ok();
}

/* "host:port", "[::1]:port", "host" */
static struct status part_authority(struct slice authority, char *host, size_t host_size,
                                    char *port, size_t port_size) {
    struct slice name;
    struct slice tail = {0};
    bool is_bracketed = authority.size > 0 && authority.data[0] == '[';
    size_t end = slice_find_byte(authority, is_bracketed ? ']' : ':');
    if (is_bracketed && end == authority.size) {
        return status_of(STATUS_INVALID);
    }
    if (is_bracketed) {
        name = slice_head(slice_tail(authority, 1), end - 1);
        tail = slice_tail(authority, end + 1);
    } else {
        name = slice_head(authority, end);
        tail = slice_tail(authority, end);
    }
    TRY(copy(name, host, host_size));
    struct slice digits = slice_is_empty(tail) ? SLICE("80") : slice_tail(tail, 1);
    uint64_t number = 0;
    TRY(text_parse_u64(digits, &number)); /* getaddrinfo takes it modulo 65536 */
    return number == 0 || number > UINT16_MAX ? status_of(STATUS_INVALID)
                                              : copy(digits, port, port_size);
}

struct status open_loop_parse_url(const char *url, struct load_address *address_out,
                                  char host_out[LOAD_HOST_BYTES_MAX], const char **path_out,
                                  struct fault *fault) {
    char host[LOAD_HOST_BYTES_MAX];
    char port[8];
    struct slice rest = slice_of_text(url);
    struct slice scheme = SLICE("http://");
    if (!slice_starts_with(rest, scheme)) {
        return fault_set(fault, STATUS_INVALID, "%s: quell load speaks http:// only", url);
    }
    rest = slice_tail(rest, scheme.size);
    struct slice authority = slice_head(rest, slice_find_byte(rest, '/'));
    if (!status_is_ok(part_authority(authority, host, sizeof(host), port, sizeof(port))) ||
        !status_is_ok(copy(authority, host_out, LOAD_HOST_BYTES_MAX))) {
        return fault_set(fault, STATUS_INVALID, "%s: want http://host:port, a port of 1 to 65535",
                         url);
    }
    *path_out = rest.size > authority.size + 1 ? url + scheme.size + authority.size : NULL;
    return resolve(host, port, address_out, fault);
}
