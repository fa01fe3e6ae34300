/* resolve.c - see resolve.h. The thread and the sinks' thread each hold the lookup; the last one to
 * let go frees it. */
#include "sinks/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/assert.h"

struct resolve {
    int fd;
    _Atomic uint32_t holders;
    atomic_bool is_done;
    int code; /* of getaddrinfo */
    char addresses[RESOLVE_ADDRESSES_BYTES];
    uint32_t addresses_count;
    char host[RESOLVE_HOST_BYTES_MAX + 1];
};

static void let_go(struct resolve *resolve) {
    if (atomic_fetch_sub(&resolve->holders, 1) == 1) {
        (void)close(resolve->fd);
        free(resolve);
    }
}

bool resolve_is_address(const char *host) {
    uint8_t bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* With a comma before it, unless it is the first. */
static int add_address(struct resolve *resolve, struct text *addresses,
                       const struct addrinfo *info) {
    char address[NI_MAXHOST];
    int code = getnameinfo(info->ai_addr, info->ai_addrlen, address, sizeof(address), NULL, 0,
                           NI_NUMERICHOST);
    if (code == 0) {
        text_add_text(addresses, resolve->addresses_count == 0 ? "" : ",");
        text_add_text(addresses, address);
        resolve->addresses_count += addresses->truncated ? 0 : 1;
    }
    return code;
}

static void look_up(struct resolve *resolve) {
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct text addresses = text_over(resolve->addresses, sizeof(resolve->addresses));
    resolve->code = getaddrinfo(resolve->host, NULL, &wanted, &found);
    if (resolve->code != 0) {
        return;
    }
    for (const struct addrinfo *info = found;
         info != NULL && resolve->addresses_count < RESOLVE_ADDRESSES_MAX; info = info->ai_next) {
        resolve->code = add_address(resolve, &addresses, info);
    }
    freeaddrinfo(found);
}

static void *resolve_main(void *context) {
    struct resolve *resolve = context;
    const uint64_t one = 1;
    look_up(resolve);
    atomic_store(&resolve->is_done, true);
    (void)!write(resolve->fd, &one, sizeof(one));
    let_go(resolve);
    return NULL;
}

static bool start_thread(struct resolve *resolve) {
    pthread_t thread;
    atomic_store(&resolve->holders, 2);
    if (pthread_create(&thread, NULL, resolve_main, resolve) != 0) {
        return false;
    }
    (void)pthread_detach(thread);
    return true;
}

struct resolve *resolve_begin(const char *host) {
    struct resolve *resolve = calloc(1, sizeof(*resolve));
    if (resolve == NULL) {
        return NULL;
    }
    struct text name = text_over(resolve->host, sizeof(resolve->host));
    text_add_text(&name, host);
    resolve->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolve->fd < 0 || name.truncated || !start_thread(resolve)) {
        if (resolve->fd >= 0) {
            (void)close(resolve->fd);
        }
        free(resolve);
        return NULL;
    }
    return resolve;
}

int resolve_fd(const struct resolve *resolve) {
    return resolve->fd;
}

bool resolve_is_done(const struct resolve *resolve) {
    return atomic_load(&resolve->is_done);
}

uint32_t resolve_take(struct resolve *resolve, struct text *addresses, const char **words_out) {
    ASSERT(resolve_is_done(resolve));
    uint32_t count = resolve->addresses_count;
    if (count > 0) {
        text_add_text(addresses, resolve->addresses);
    } else {
        *words_out = gai_strerror(resolve->code);
    }
    let_go(resolve);
    return count;
}

void resolve_abandon(struct resolve *resolve) {
    let_go(resolve);
}
