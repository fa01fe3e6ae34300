/* loop_listen.c - listening sockets and their addresses. See loop.h and loop_internal.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/loop_internal.h"

static struct status parse_address(struct slice text, struct sockaddr_storage *address,
                                   socklen_t *size_out, struct fault *fault) {
    char host[INET6_ADDRSTRLEN + 1] = {0};
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    uint64_t port = 0;
    struct slice name = slice_head(text, colon == 0 ? 0 : colon - 1);
    bool is_v6 = name.size > 2 && name.data[0] == '[' && name.data[name.size - 1] == ']';
    name = is_v6 ? slice_of(name.data + 1, name.size - 2) : name;
    name = slice_equals(name, SLICE("localhost")) ? SLICE("127.0.0.1") : name;
    if (colon == 0 || name.size == 0 || name.size > INET6_ADDRSTRLEN ||
        !status_is_ok(text_parse_u64(slice_tail(text, colon), &port)) || port > 65535) {
        return fault_set(fault, STATUS_INVALID, "\"%.*s\" is no address like 127.0.0.1:4318",
                         SLICE_PRINT(text));
    }
    memcpy(host, name.data, name.size);
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof(*address));
    *size_out = is_v6 ? sizeof(*v6) : sizeof(*v4);
    int made = 0;
    if (is_v6) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        made = inet_pton(AF_INET6, host, &v6->sin6_addr);
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        made = inet_pton(AF_INET, host, &v4->sin_addr);
    }
    return made == 1 ? status_ok()
                     : fault_set(fault, STATUS_INVALID, "\"%s\" is no numeric address", host);
}

struct host {
    uint16_t port;
    bool is_any; /* 0.0.0.0, ::, of which the latter takes IPv4, too */
    bool is_v6;
    struct slice bytes;
};

static struct host host_of(const struct sockaddr_storage *address) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    bool is_v6 = address->ss_family == AF_INET6;
    return (struct host){
        .port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port),
        .is_any = is_v6 ? IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) : v4->sin_addr.s_addr == 0,
        .is_v6 = is_v6,
        .bytes = is_v6 ? slice_of(&v6->sin6_addr, sizeof(v6->sin6_addr))
                       : slice_of(&v4->sin_addr, sizeof(v4->sin_addr)),
    };
}

uint16_t loop_shared_port(struct slice left, struct slice right) {
    struct sockaddr_storage addresses[2];
    struct fault fault;
    socklen_t size = 0;
    if (!status_is_ok(parse_address(left, &addresses[0], &size, &fault)) ||
        !status_is_ok(parse_address(right, &addresses[1], &size, &fault))) {
        return 0;
    }
    struct host one = host_of(&addresses[0]);
    struct host other = host_of(&addresses[1]);
    bool is_shared = one.is_v6 == other.is_v6
                         ? one.is_any || other.is_any || slice_equals(one.bytes, other.bytes)
                     : one.is_v6 ? one.is_any
                                 : other.is_any;
    return is_shared && one.port == other.port ? one.port : 0;
}

static uint16_t port_of(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.v6 = {0}};
    socklen_t size = sizeof(address);
    if (getsockname(fd, &address.any, &size) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* After a SIGKILL the kernel gives back what io_uring held a moment after the process is gone: a
 * quell that is restarted at once finds its own port taken, and waits for it. */
enum { BIND_ATTEMPTS_MAX = 50 };
/* What the kernel keeps of answers that a client does not read; connections inherit it. Left to
 * itself it grows to 4 MiB for each. */
enum { SEND_BUFFER_BYTES = 128 * 1024 };
#define BIND_PAUSE_NS (20L * 1000 * 1000)

static int open_bound(const struct sockaddr_storage *address, socklen_t size, bool share) {
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    int send_bytes = SEND_BUFFER_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)); /* best effort */
    bool is_bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                    (!share || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
                    bind(fd, (const struct sockaddr *)address, size) == 0 && listen(fd, 4096) == 0;
    if (!is_bound) {
        int error = errno;
        loop_close_fd(fd);
        errno = error;
        return -1;
    }
    return fd;
}

struct status loop_check_address(struct slice address, struct fault *fault) {
    struct sockaddr_storage parsed;
    socklen_t size = 0;
    return parse_address(address, &parsed, &size, fault);
}

static struct status bind_socket(struct slice text, bool share, int *fd_out, struct fault *fault) {
    struct sockaddr_storage address;
    struct timespec pause = {.tv_nsec = BIND_PAUSE_NS};
    socklen_t size = 0;
    TRY(parse_address(text, &address, &size, fault));
    int fd = open_bound(&address, size, share);
    for (int i = 1; i < BIND_ATTEMPTS_MAX && fd < 0 && errno == EADDRINUSE; i++) {
        (void)nanosleep(&pause, NULL);
        fd = open_bound(&address, size, share);
    }
    if (fd < 0) {
        return fault_set(fault, STATUS_IO, "cannot listen on %.*s: %s", SLICE_PRINT(text),
                         strerror(errno));
    }
    *fd_out = fd;
    return status_ok();
}

struct status loop_listen_tls(struct loop *loop, struct slice address, bool share,
                              const struct loop_conn_handler *handler, void *listener_context,
                              struct tls_server *tls, uint16_t *port_out, struct fault *fault) {
    if (loop->listeners_count == LOOP_LISTENERS_MAX) {
        return fault_set(fault, STATUS_FULL, "at most %d listeners", LOOP_LISTENERS_MAX);
    }
    int fd = -1;
    if (loop->calls->port == NULL) {
        TRY(bind_socket(address, share, &fd, fault));
    }
    struct loop_listener *listener = &loop->listeners[loop->listeners_count];
    *listener = (struct loop_listener){
        .loop = loop, .fd = fd, .handler = handler, .context = listener_context, .is_open = true};
    struct status status = loop->calls->listen(loop, listener);
    if (!status_is_ok(status)) {
        loop_close_fd(fd);
        return fault_set(fault, status.code, "cannot listen on %.*s", SLICE_PRINT(address));
    }
    loop->listeners_count++;
    listener->tls = tls;
    if (tls != NULL) {
        tls_server_acquire(tls);
    }
    if (port_out != NULL) {
        *port_out = loop->calls->port != NULL ? loop->calls->port(listener) : port_of(fd);
    }
    return status_ok();
}

struct status loop_listen(struct loop *loop, struct slice address, bool share,
                          const struct loop_conn_handler *handler, void *listener_context,
                          uint16_t *port_out, struct fault *fault) {
    return loop_listen_tls(loop, address, share, handler, listener_context, NULL, port_out, fault);
}

void loop_replace_tls(struct loop *loop, struct tls_server *tls) {
    for (uint32_t i = 0; i < loop->listeners_count; i++) {
        struct loop_listener *listener = &loop->listeners[i];
        if (listener->tls != NULL) {
            tls_server_acquire(tls);
            tls_server_release(listener->tls);
            listener->tls = tls;
        }
    }
}

void loop_stop_listening(struct loop *loop) {
    for (uint32_t i = 0; i < loop->listeners_count; i++) {
        struct loop_listener *listener = &loop->listeners[i];
        if (listener->is_open) {
            loop->calls->stop_listening(loop, listener);
            loop_close_fd(listener->fd);
            listener->is_open = false;
        }
    }
}
