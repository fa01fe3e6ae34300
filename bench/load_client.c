/* load_client.c - see load_client.h. */
#include "bench/load_client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/load_answer.h"
#include "core/base/assert.h"
#include "core/clock.h"

enum { EVENTS_MAX = 256, ANSWER_SHOWN_BYTES = 128 };

/* STALE: the server closed it while it was free; it stands in the list until it comes first. */
enum place { SHUT, CONNECTING, FREE, STALE, BUSY };

struct connection {
    int fd;
    enum place place;
    uint32_t records;
    uint32_t free_next; /* index + 1 in the list of free ones */
    uint64_t due_ns;
    uint64_t since_ns; /* when it was shut, or when its request left */
    char *rest;        /* what the socket has not taken yet; owned */
    size_t rest_bytes;
    size_t rest_sent;
    size_t answer_bytes;
    char answer[LOAD_ANSWER_BYTES_MAX];
};

struct load_client {
    struct load_client_options options;
    int epoll_fd;
    uint32_t free_first; /* index + 1 */
    uint32_t busy_count;
    uint32_t shut_count;
    uint64_t checked_ns; /* when time limits were looked at last */
    struct connection connections[];
};

static void push_free(struct load_client *client, struct connection *connection) {
    connection->place = FREE;
    connection->answer_bytes = 0;
    connection->free_next = client->free_first;
    client->free_first = (uint32_t)(connection - client->connections) + 1;
}

static void set_interest(struct load_client *client, struct connection *connection,
                         uint32_t interest, int operation) {
    struct epoll_event event = {.events = interest, .data.ptr = connection};
    (void)epoll_ctl(client->epoll_fd, operation, connection->fd, &event);
}

static void open_connection(struct load_client *client, struct connection *connection) {
    const struct load_address *address = &client->options.address;
    int one = 1;
    int fd =
        socket(address->socket_address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        connection->since_ns = clock_monotonic_ns();
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int result = connect(fd, (const struct sockaddr *)&address->socket_address, address->size);
    if (result != 0 && errno != EINPROGRESS) {
        close(fd);
        connection->since_ns = clock_monotonic_ns();
        return;
    }
    connection->fd = fd;
    connection->place = CONNECTING;
    client->shut_count--;
    set_interest(client, connection, EPOLLOUT, EPOLL_CTL_ADD);
}

static void shut_connection(struct load_client *client, struct connection *connection) {
    ASSERT(connection->place != SHUT && connection->place != FREE);
    client->busy_count -= connection->place == BUSY;
    close(connection->fd);
    free(connection->rest);
    connection->rest = NULL;
    connection->rest_bytes = 0;
    connection->fd = -1;
    connection->place = SHUT;
    connection->answer_bytes = 0;
    connection->since_ns = clock_monotonic_ns();
    client->shut_count++;
}

static enum load_fate fate_of(const struct load_answer *answer, uint64_t rejected) {
    if (answer->http_status >= 200 && answer->http_status < 300) {
        return rejected == 0 ? LOAD_ACCEPTED : LOAD_REJECTED;
    }
    bool is_backpressure = answer->http_status == 429 || answer->http_status == 503;
    return is_backpressure ? LOAD_REFUSED : LOAD_REJECTED;
}

static void report(struct load_client *client, const struct connection *connection,
                   struct load_outcome *outcome) {
    uint64_t now_ns = clock_monotonic_ns();
    outcome->latency_ns = now_ns > connection->due_ns ? now_ns - connection->due_ns : 0;
    client->options.on_outcome(client->options.owner, outcome);
}

/* A token that is missing, a port that is another's: the answer says so, counts do not. */
static void add_answer(struct text *words, const struct load_answer *answer) {
    text_add_format(words, "the server answered %u", answer->http_status);
    if (answer->body.size > 0) {
        text_add_text(words, ": ");
        text_add_printable(words, slice_head(slice_trim(answer->body), ANSWER_SHOWN_BYTES));
    }
}

static void report_answer(struct load_client *client, const struct connection *connection,
                          const struct load_answer *answer) {
    bool is_taken = answer->http_status >= 200 && answer->http_status < 300;
    uint64_t rejected = is_taken ? load_answer_count_rejected(answer->body) : connection->records;
    bool is_partial = is_taken && rejected > 0;
    rejected = rejected < connection->records ? rejected : connection->records;
    enum load_fate fate = fate_of(answer, rejected);
    char memory[ANSWER_SHOWN_BYTES * 4 + 64] =
        "the server took a request without some of its records";
    if (fate == LOAD_REJECTED && !is_partial) {
        struct text words = text_over(memory, sizeof(memory));
        add_answer(&words, answer);
    }
    report(client, connection,
           &(struct load_outcome){
               .fate = fate,
               .records_accepted = connection->records - (uint32_t)rejected,
               .words = fate == LOAD_REJECTED ? memory : NULL,
           });
}

static void fail_connection(struct load_client *client, struct connection *connection,
                            bool is_timeout) {
    if (connection->place == BUSY) {
        report(client, connection,
               &(struct load_outcome){.fate = is_timeout ? LOAD_TIMED_OUT : LOAD_FAILED});
    }
    shut_connection(client, connection);
}

/* Keeps a copy of what did not fit the socket: the caller's request is stamped anew meanwhile. */
static bool keep_rest(struct connection *connection, struct slice rest) {
    ASSERT(rest.size > 0);
    connection->rest = malloc(rest.size);
    connection->rest_bytes = rest.size;
    connection->rest_sent = 0;
    if (connection->rest != NULL) {
        memcpy(connection->rest, rest.data, rest.size);
    }
    return connection->rest != NULL;
}

static void send_request(void *way, struct slice bytes, uint32_t records, uint64_t due_ns) {
    struct load_client *client = way;
    ASSERT(client->free_first != 0);
    struct connection *connection = &client->connections[client->free_first - 1];
    client->free_first = connection->free_next;
    ASSERT(connection->place == FREE);
    connection->place = BUSY;
    connection->records = records;
    connection->due_ns = due_ns;
    connection->since_ns = clock_monotonic_ns();
    client->busy_count++;
    ssize_t sent = send(connection->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        fail_connection(client, connection, false);
        return;
    }
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done < bytes.size) {
        if (!keep_rest(connection, slice_tail(bytes, done))) {
            fail_connection(client, connection, false);
            return;
        }
        set_interest(client, connection, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
}

static void send_rest(struct load_client *client, struct connection *connection) {
    ssize_t sent = send(connection->fd, connection->rest + connection->rest_sent,
                        connection->rest_bytes - connection->rest_sent, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) {
            fail_connection(client, connection, false);
        }
        return;
    }
    connection->rest_sent += (size_t)sent;
    if (connection->rest_sent == connection->rest_bytes) {
        free(connection->rest);
        connection->rest = NULL;
        connection->rest_bytes = 0;
        set_interest(client, connection, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void finish_request(struct load_client *client, struct connection *connection,
                           const struct load_answer *answer) {
    report_answer(client, connection, answer);
    /* An answer before all was sent leaves the connection useless. */
    if (!answer->keeps_open || connection->rest != NULL) {
        shut_connection(client, connection);
        return;
    }
    client->busy_count--;
    push_free(client, connection);
}

static void receive_answer(struct load_client *client, struct connection *connection) {
    ssize_t got = recv(connection->fd, connection->answer + connection->answer_bytes,
                       sizeof(connection->answer) - connection->answer_bytes, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            fail_connection(client, connection, false);
        }
        return;
    }
    connection->answer_bytes += (size_t)got;
    struct load_answer answer;
    struct status status =
        load_answer_parse(slice_of(connection->answer, connection->answer_bytes), &answer);
    if (status_is_ok(status)) {
        finish_request(client, connection, &answer);
    } else if (status.code != STATUS_END ||
               connection->answer_bytes == sizeof(connection->answer)) {
        fail_connection(client, connection, false);
    }
}

static void take_event(struct load_client *client, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (connection->place == CONNECTING) {
        if ((event->events & (EPOLLERR | EPOLLHUP)) != 0) {
            shut_connection(client, connection);
            return;
        }
        set_interest(client, connection, EPOLLIN, EPOLL_CTL_MOD);
        push_free(client, connection);
        return;
    }
    if (connection->place == FREE) {
        (void)epoll_ctl(client->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        connection->place = STALE;
        return;
    }
    if (connection->place == BUSY && connection->rest != NULL && (event->events & EPOLLOUT) != 0) {
        send_rest(client, connection);
    }
    if (connection->place == BUSY && (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
        receive_answer(client, connection);
    }
}

/* Cuts off what waits too long, opens what was shut long enough ago; every few milliseconds. */
static void check_times(struct load_client *client) {
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - client->checked_ns < LOAD_RECONNECT_NS / 10) {
        return;
    }
    client->checked_ns = now_ns;
    for (uint32_t i = 0; i < client->options.connections; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->place == BUSY &&
            now_ns - connection->since_ns >= client->options.timeout_ns) {
            fail_connection(client, connection, true);
        } else if (connection->place == SHUT &&
                   now_ns - connection->since_ns >= LOAD_RECONNECT_NS) {
            open_connection(client, connection);
        }
    }
}

static void poll_way(void *way, uint64_t wait_ns) {
    struct load_client *client = way;
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000),
                            .tv_nsec = (long)(wait_ns % 1000000000)};
    int count = epoll_pwait2(client->epoll_fd, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
        take_event(client, &events[i]);
    }
    check_times(client);
}

static bool has_room(void *way) {
    struct load_client *client = way;
    while (client->free_first != 0 && client->connections[client->free_first - 1].place == STALE) {
        struct connection *stale = &client->connections[client->free_first - 1];
        client->free_first = stale->free_next;
        shut_connection(client, stale);
    }
    return client->free_first != 0;
}

static uint32_t under_way(const void *way) {
    const struct load_client *client = way;
    return client->busy_count;
}

/* Fails early, and in words, when nobody listens. */
static struct status probe(const struct load_address *address, struct fault *fault) {
    int fd = socket(address->socket_address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result =
        fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&address->socket_address, address->size);
    const char *reason = strerror(errno);
    if (fd >= 0) {
        close(fd);
    }
    return result == 0 ? status_ok()
                       : fault_set(fault, STATUS_IO, "cannot connect to the server: %s", reason);
}

struct status load_client_open(const struct load_client_options *options, void **way_out,
                               struct fault *fault) {
    ASSERT(options->connections > 0 && options->connections <= LOAD_CONNECTIONS_MAX);
    TRY(probe(&options->address, fault));
    struct load_client *client =
        calloc(1, sizeof(*client) + options->connections * sizeof(struct connection));
    if (client == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for %u connections", options->connections);
    }
    client->options = *options;
    client->shut_count = options->connections;
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (client->epoll_fd < 0) {
        free(client);
        return fault_set(fault, STATUS_IO, "epoll: %s", strerror(errno));
    }
    for (uint32_t i = 0; i < options->connections; i++) {
        client->connections[i].fd = -1;
        open_connection(client, &client->connections[i]);
    }
    *way_out = client;
    return status_ok();
}

static void close_way(void *way) {
    struct load_client *client = way;
    if (client == NULL) {
        return;
    }
    for (uint32_t i = 0; i < client->options.connections; i++) {
        if (client->connections[i].fd >= 0) {
            close(client->connections[i].fd);
        }
        free(client->connections[i].rest);
    }
    close(client->epoll_fd);
    free(client);
}

const struct load_way load_client_way = {
    .has_room = has_room,
    .send = send_request,
    .poll = poll_way,
    .under_way = under_way,
    .close = close_way,
};
