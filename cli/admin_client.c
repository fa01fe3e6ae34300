/* admin_client.c - see admin_client.h. */
#include "cli/admin_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"
#include "core/tls_client.h"

enum { HEAD_BYTES_MAX = 4096, WAIT_S = 60 };
#define ANSWER_BYTES_MAX (64 * MIB)

/* What was interrupted goes on by itself: how it ended is asked later. */
static bool connect_whole(int fd, const struct addrinfo *info) {
    struct pollfd connecting = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);
    if (connect(fd, info->ai_addr, info->ai_addrlen) == 0) {
        return true;
    }
    if (errno != EINTR) {
        return false;
    }
    int count = -1;
    while (count < 0 && errno == EINTR) {
        count = poll(&connecting, 1, WAIT_S * 1000);
    }
    if (count == 0) {
        errno = ETIMEDOUT;
    }
    if (count != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        return false;
    }
    errno = error;
    return error == 0;
}

/* A socket with timeouts says EINTR when the process was stopped for a while (signal(7)). */
static int connect_one(const struct addrinfo *info) {
    const struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (!connect_whole(fd, info)) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* "host:port" or "[::1]:port". */
static bool split_address(struct slice address, struct text *host, struct text *port) {
    size_t colon = address.size;
    while (colon > 0 && address.data[colon - 1] != ':') {
        colon--;
    }
    if (colon < 2) {
        return false;
    }
    struct slice name = slice_head(address, colon - 1);
    bool is_bracketed = name.data[0] == '[' && name.data[name.size - 1] == ']';
    text_add(host, is_bracketed ? slice_of(name.data + 1, name.size - 2) : name);
    text_add(port, slice_tail(address, colon));
    return !host->truncated && !port->truncated;
}

static struct status connect_to(struct slice address, int *fd_out, struct fault *fault) {
    char host_memory[256];
    char port_memory[16];
    struct text host = text_over(host_memory, sizeof(host_memory));
    struct text port = text_over(port_memory, sizeof(port_memory));
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (!split_address(address, &host, &port)) {
        return fault_set(fault, STATUS_INVALID, "\"%.*s\" is no address, such as 127.0.0.1:8418",
                         SLICE_PRINT(address));
    }
    int error = getaddrinfo(host.data, port.data, &wanted, &found);
    if (error != 0) {
        return fault_set(fault, STATUS_INVALID, "\"%.*s\" has no address: %s", SLICE_PRINT(address),
                         gai_strerror(error));
    }
    int fd = -1;
    for (const struct addrinfo *info = found; info != NULL && fd < 0; info = info->ai_next) {
        fd = connect_one(info);
    }
    freeaddrinfo(found);
    if (fd < 0) {
        return fault_set(fault, STATUS_IO, "no quell answers on %.*s: %s", SLICE_PRINT(address),
                         strerror(errno));
    }
    *fd_out = fd;
    return status_ok();
}

/* A socket, with TLS or without. */
struct link {
    int fd;
    struct tls_client *tls;
};

static bool send_all(const struct link *link, struct slice bytes) {
    if (link->tls != NULL) {
        return tls_client_send(link->tls, bytes);
    }
    while (bytes.size > 0) {
        ssize_t sent = send(link->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes = slice_tail(bytes, (size_t)sent);
    }
    return true;
}

static long receive_some(const struct link *link, void *part, size_t size) {
    if (link->tls != NULL) {
        return tls_client_receive(link->tls, part, size);
    }
    long got = read(link->fd, part, size);
    while (got < 0 && errno == EINTR) {
        got = read(link->fd, part, size);
    }
    return got;
}

static bool receive_all(const struct link *link, struct text *answer) {
    char part[16384];
    long got = receive_some(link, part, sizeof(part));
    while (got > 0 && !answer->truncated) {
        text_add(answer, slice_of(part, (size_t)got));
        got = receive_some(link, part, sizeof(part));
    }
    return got == 0 && !answer->truncated;
}

static struct status link_open(const struct admin_client *client, struct link *link_out,
                               struct fault *fault) {
    struct link link = {.fd = -1};
    TRY(connect_to(client->address, &link.fd, fault));
    struct status status =
        client->tls == NULL ? status_ok() : tls_client_open(link.fd, client->tls, &link.tls, fault);
    if (!status_is_ok(status)) {
        (void)close(link.fd);
        return status;
    }
    *link_out = link;
    return status_ok();
}

/* Leaves the body alone in `answer`. */
static bool take_head(struct text *answer, unsigned *http_status_out) {
    uint64_t number = 0;
    struct slice all = text_slice(answer);
    const char *end = answer->size > 0 ? strstr(answer->data, "\r\n\r\n") : NULL;
    if (end == NULL || !slice_starts_with(all, SLICE("HTTP/1.1 ")) ||
        !status_is_ok(text_parse_u64(slice_head(slice_tail(all, 9), 3), &number))) {
        return false;
    }
    size_t skip = (size_t)(end - answer->data) + 4;
    memmove(answer->data, answer->data + skip, answer->size - skip + 1);
    answer->size -= skip;
    *http_status_out = (unsigned)number;
    return true;
}

struct status admin_call(const struct admin_client *client, struct slice path, struct slice body,
                         unsigned *http_status_out, struct text *answer, struct fault *fault) {
    char memory[HEAD_BYTES_MAX];
    struct text head = text_over(memory, sizeof(memory));
    text_add_text(&head, body.size > 0 ? "POST " : "GET ");
    text_add(&head, path);
    text_add_format(&head, " HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n",
                    SLICE_PRINT(client->address));
    if (client->token != NULL) {
        text_add_format(&head, "Authorization: Bearer %s\r\n", client->token);
    }
    if (client->tenant != NULL) {
        text_add_format(&head, "X-Scope-OrgID: %s\r\n", client->tenant);
    }
    text_add_format(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                    client->media_type == NULL ? "application/json" : client->media_type,
                    body.size);
    struct link link;
    if (head.truncated) {
        return fault_set(fault, STATUS_INVALID, "the request is too long");
    }
    TRY(link_open(client, &link, fault));
    answer->size = 0;
    bool is_done = send_all(&link, text_slice(&head)) && send_all(&link, body) &&
                   receive_all(&link, answer) && take_head(answer, http_status_out);
    tls_client_close(link.tls);
    (void)close(link.fd);
    return is_done ? status_ok()
                   : fault_set(fault, STATUS_IO, "no whole answer from %.*s%s",
                               SLICE_PRINT(client->address),
                               client->tls == NULL ? ": is it quell's, and without TLS? "
                                                     "--config says where it has it"
                                                   : "");
}

struct status admin_client_of(const struct cli_options *options, struct admin_client *client_out,
                              struct config **config_out) {
    const char *address = cli_option(options, "--console");
    const char *token = cli_option(options, "--token");
    *config_out = NULL;
    if (address == NULL || options->config_path != NULL) {
        TRY(cli_load_config(options, config_out));
    }
    const struct config *config = *config_out;
    ASSERT(address != NULL || config != NULL);
    bool is_secure = config != NULL && config->tls.is_on && config->tls.console;
    *client_out = (struct admin_client){.tenant = NULL};
    client_out->tls = is_secure ? &config->tls.options : NULL;
    client_out->address = address != NULL ? slice_of_text(address) : config->listen_console;
    client_out->token = token != NULL ? token : getenv("QUELL_TOKEN");
    return status_ok();
}

/* "quell: ", and of which of many. */
static void begin_words(const struct admin_client *client) {
    (void)fprintf(stderr, "quell: %s%s", client->about == NULL ? "" : client->about,
                  client->about == NULL ? "" : ": ");
}

void admin_say_refused(const struct admin_client *client, unsigned http_status,
                       struct slice answer) {
    char memory[512];
    struct text words = text_over(memory, sizeof(memory));
    json_pick_text(json_pick(answer, "error"), "message", &words);
    begin_words(client);
    (void)fprintf(stderr, "refused (%u)%s%s%s\n", http_status, words.size > 0 ? ": " : "", memory,
                  http_status == 401 ? ": say it by --token or QUELL_TOKEN" : "");
}

bool admin_call_or_say(const struct admin_client *client, struct slice path, struct slice body,
                       struct text *answer) {
    struct fault fault;
    unsigned http_status = 0;
    if (!status_is_ok(admin_call(client, path, body, &http_status, answer, &fault))) {
        begin_words(client);
        (void)fprintf(stderr, "%s\n", fault.words);
        answer->size = 0;
        return false;
    }
    if (http_status != 200) {
        admin_say_refused(client, http_status, text_slice(answer));
    }
    return http_status == 200;
}

void admin_add_parameter(struct text *path, const char *name, const char *value) {
    if (value != NULL) {
        text_add_format(path, "&%s=", name);
    }
    for (; value != NULL && *value != 0; value++) {
        text_add_format(path, "%%%02X", (unsigned)(unsigned char)*value);
    }
}

void admin_tell_more(struct slice page) {
    char memory[1024];
    struct text cursor = text_over(memory, sizeof(memory));
    json_pick_text(page, "next_cursor", &cursor);
    if (cursor.size > 0) {
        (void)fflush(stdout); /* behind the lines, where both go to one place */
        (void)fprintf(stderr, "more: --cursor %s\n", memory);
    }
}

void admin_tell_done(const struct cli_options *options, const struct text *answer, const char *id,
                     const char *what) {
    if (cli_option(options, "--json") != NULL) {
        (void)printf("%s\n", answer->data);
        return;
    }
    (void)printf("%s %s\n", id, strcmp(what, "retry") == 0 ? "retried" : "dropped");
}

const char *admin_actor(const struct cli_options *options) {
    const char *by = cli_option(options, "--by");
    by = by != NULL ? by : getenv("USER");
    return by != NULL ? by : "the command line";
}

bool admin_ask(const struct cli_options *options, struct slice path, struct text *answer_out) {
    struct admin_client client;
    struct config *config = NULL;
    if (!status_is_ok(admin_client_of(options, &client, &config))) {
        return false;
    }
    char *memory = malloc(ANSWER_BYTES_MAX);
    bool is_good = memory != NULL;
    if (is_good) {
        *answer_out = text_over(memory, ANSWER_BYTES_MAX);
        is_good = admin_call_or_say(&client, path, slice_of(NULL, 0), answer_out);
    }
    if (!is_good) {
        free(memory);
    }
    config_release(config);
    return is_good;
}
