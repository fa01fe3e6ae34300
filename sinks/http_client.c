/* http_client.c - see http_client.h. */
#include "sinks/http_client.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "sinks/guard.h"

enum { RESPONSE_BYTES_MAX = 64 * 1024, DAY_S = 86400, KEPT_CONNECTIONS_MAX = 256 };

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
};

struct http_attempt {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    void (*on_done)(void *context, const struct sink_response *response);
    void *context;
    enum sink_addresses addresses;
    const char *refusal; /* of the address; NULL */
    bool is_head_whole;  /* of the answer */
    char error[CURL_ERROR_SIZE];
    uint8_t body[RESPONSE_BYTES_MAX];
    size_t body_size;
};

static void free_attempt(struct http_attempt *attempt) {
    curl_multi_remove_handle(attempt->client->multi, attempt->easy);
    curl_easy_cleanup(attempt->easy);
    curl_slist_free_all(attempt->headers);
    free(attempt);
}

static uint64_t retry_after_ns(CURL *easy) {
    curl_off_t seconds = 0;
    bool is_known = curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK;
    if (!is_known || seconds <= 0) {
        return 0;
    }
    return seconds < DAY_S ? (uint64_t)seconds * NS_PER_S : NS_PER_DAY; /* longer, nobody means */
}

/* The host's name may be all of a secret, and too short for redact.h, or not as it stands there
 * (%61 is a): curl's words about one that is not found are no good. */
static struct slice words_of(const struct http_attempt *attempt, CURLcode code) {
    if (attempt->refusal != NULL) {
        return slice_of_text(attempt->refusal);
    }
    if (code == CURLE_COULDNT_RESOLVE_HOST) {
        return SLICE("the host's name cannot be resolved");
    }
    return slice_of_text(attempt->error[0] != 0 ? attempt->error : curl_easy_strerror(code));
}

static void finish(struct http_attempt *attempt, CURLcode code) {
    struct sink_response response = {.body = slice_of(attempt->body, attempt->body_size)};
    curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &response.http_status);
    response.retry_after_ns = retry_after_ns(attempt->easy);
    /* The request was taken, whatever became of the words about it: not to be sent once more. */
    bool is_taken =
        attempt->is_head_whole && response.http_status >= 200 && response.http_status < 300;
    if (code != CURLE_OK) {
        response.http_status = is_taken ? response.http_status : 0;
        response.error = words_of(attempt, code);
        response.is_refused = attempt->refusal != NULL;
    }
    attempt->on_done(attempt->context, &response);
    free_attempt(attempt);
}

static void take_finished(struct http_client *client) {
    int left = 0;
    CURLMsg *message = curl_multi_info_read(client->multi, &left);
    while (message != NULL) {
        if (message->msg == CURLMSG_DONE) {
            struct http_attempt *attempt = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&attempt);
            finish(attempt, message->data.result);
        }
        message = curl_multi_info_read(client->multi, &left);
    }
}

static void act(struct http_client *client, curl_socket_t socket, int events) {
    int running = 0;
    (void)curl_multi_socket_action(client->multi, socket, events, &running);
    take_finished(client);
}

static void on_ready(void *context, int fd, unsigned events) {
    int curl_events = ((events & LOOP_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                      ((events & LOOP_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
    act(context, fd, curl_events);
}

static void on_timer(void *context) {
    act(context, CURL_SOCKET_TIMEOUT, 0);
}

/* Always 0: at any other word libcurl gives up all transfers at once, and may crash on the way. One
 * that cannot be watched is not heard, and ends with its time. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context) {
    (void)easy;
    (void)socket_context;
    struct http_client *client = context;
    unsigned events = what == CURL_POLL_IN      ? LOOP_READABLE
                      : what == CURL_POLL_OUT   ? LOOP_WRITABLE
                      : what == CURL_POLL_INOUT ? LOOP_READABLE | LOOP_WRITABLE
                                                : 0u;
    (void)!status_is_ok(loop_watch(client->loop, fd, events, on_ready, client));
    return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *context) {
    (void)multi;
    struct http_client *client = context;
    if (timeout_ms < 0) {
        loop_timer_stop(client->loop, &client->timer);
    } else {
        loop_timer_start(client->loop, &client->timer,
                         loop_now_ns(client->loop) + (uint64_t)timeout_ms * NS_PER_MS + 1);
    }
    return 0;
}

static long kept_connections(uint32_t files_max) {
    uint32_t quarter = files_max / 4 > 0 ? files_max / 4 : 1;
    return files_max == 0 || quarter > KEPT_CONNECTIONS_MAX ? KEPT_CONNECTIONS_MAX : (long)quarter;
}

struct status http_client_open(struct loop *loop, uint32_t files_max,
                               struct http_client **client_out, struct fault *fault) {
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(client);
        return fault_set(fault, STATUS_FULL, "cannot start the HTTP client");
    }
    client->loop = loop;
    client->multi = curl_multi_init();
    client->timer.on_due = on_timer;
    client->timer.context = client;
    if (client->multi == NULL) {
        http_client_close(client);
        return fault_set(fault, STATUS_FULL, "cannot start the HTTP client");
    }
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, kept_connections(files_max));
    *client_out = client;
    return status_ok();
}

void http_client_close(struct http_client *client) {
    if (client == NULL) {
        return;
    }
    loop_timer_stop(client->loop, &client->timer);
    if (client->multi != NULL) {
        curl_multi_cleanup(client->multi);
    }
    free(client);
}

bool http_url_is_sound(struct slice url) {
    char memory[SINK_URL_BYTES_MAX + 1];
    struct text text = text_over(memory, sizeof(memory));
    bool is_http =
        slice_starts_with(url, SLICE("http://")) || slice_starts_with(url, SLICE("https://"));
    struct slice host = slice_tail(url, slice_find_byte(url, ':'));
    text_add(&text, url);
    bool has_nul = slice_find_byte(url, 0) < url.size;
    if (!is_http || has_nul || text.truncated || slice_starts_with(host, SLICE(":///"))) {
        return false;
    }
    CURLU *parsed = curl_url();
    bool is_sound = parsed != NULL && curl_url_set(parsed, CURLUPART_URL, memory, 0) == CURLUE_OK;
    curl_url_cleanup(parsed);
    return is_sound;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    struct http_attempt *attempt = context;
    size_t room = RESPONSE_BYTES_MAX - attempt->body_size;
    size_t take = size * count < room ? size * count : room;
    memcpy(attempt->body + attempt->body_size, bytes, take);
    attempt->body_size += take;
    return size * count; /* what is beyond is of no interest, and no error */
}

/* One line of a head, or behind the body of a trailer; what is interim has a head of its own. */
static size_t on_head_line(char *bytes, size_t size, size_t count, void *context) {
    struct http_attempt *attempt = context;
    struct slice line = slice_of(bytes, size * count);
    bool is_end = slice_equals(line, SLICE("\r\n")) || slice_equals(line, SLICE("\n"));
    attempt->is_head_whole =
        is_end || (attempt->is_head_whole && !slice_starts_with(line, SLICE("HTTP/")));
    return size * count;
}

static bool set_headers(struct http_attempt *attempt, const struct sink_request *request) {
    for (uint32_t i = 0; i < request->headers_count; i++) {
        char line[SINK_HEADER_BYTES_MAX + 1];
        struct text text = text_over(line, sizeof(line));
        text_add(&text, request->headers[i]);
        struct curl_slist *longer = curl_slist_append(attempt->headers, line);
        if (longer == NULL || text.truncated) {
            return false;
        }
        attempt->headers = longer;
    }
    struct curl_slist *longer = curl_slist_append(attempt->headers, "Expect:");
    attempt->headers = longer == NULL ? attempt->headers : longer;
    return true;
}

static curl_socket_t on_open_socket(void *context, curlsocktype purpose,
                                    struct curl_sockaddr *address) {
    struct http_attempt *attempt = context;
    (void)purpose;
    attempt->refusal = guard_words(attempt->addresses, &address->addr);
    if (attempt->refusal != NULL) {
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Read anew for each connection, so that a file that changed counts. */
static bool set_authority(CURL *easy, struct slice ca_file) {
    char path[SINK_URL_BYTES_MAX + 1];
    struct text text = text_over(path, sizeof(path));
    text_add(&text, ca_file);
    return ca_file.size == 0 ||
           (!text.truncated && curl_easy_setopt(easy, CURLOPT_CAINFO, path) == CURLE_OK);
}

static bool set_options(struct http_attempt *attempt, const struct sink_request *request,
                        uint64_t timeout_ns) {
    char url[SINK_URL_BYTES_MAX + 1];
    struct text text = text_over(url, sizeof(url));
    text_add(&text, request->url);
    CURL *easy = attempt->easy;
    return !text.truncated && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           set_authority(easy, request->ca_file) &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, attempt->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / NS_PER_MS)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* Else a time-out or a cancel waits for the resolver's thread, and all sinks with it. */
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, attempt) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, attempt->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head_line) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, attempt) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, attempt) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, attempt) == CURLE_OK;
}

struct status http_client_post(struct http_client *client, const struct sink_request *request,
                               uint64_t timeout_ns, enum sink_addresses addresses,
                               void (*on_done)(void *context, const struct sink_response *response),
                               void *context, struct http_attempt **attempt_out) {
    struct http_attempt *attempt = calloc(1, sizeof(*attempt));
    if (attempt == NULL) {
        return status_of(STATUS_FULL);
    }
    attempt->client = client;
    attempt->on_done = on_done;
    attempt->context = context;
    attempt->addresses = addresses;
    attempt->easy = curl_easy_init();
    if (attempt->easy == NULL || !set_headers(attempt, request) ||
        !set_options(attempt, request, timeout_ns) ||
        curl_multi_add_handle(client->multi, attempt->easy) != CURLM_OK) {
        curl_easy_cleanup(attempt->easy);
        curl_slist_free_all(attempt->headers);
        free(attempt);
        return status_of(STATUS_FULL);
    }
    *attempt_out = attempt;
    return status_ok();
}

void http_client_cancel(struct http_client *client, struct http_attempt *attempt) {
    ASSERT(attempt->client == client);
    free_attempt(attempt);
}
