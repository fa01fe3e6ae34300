/*
 * demo.c - `quell demo`: a real quell on loopback, a data directory of its own, and a storm: forty
 * jobs of a nightly load, whose first extract fails. Everything goes the usual road, through HTTP,
 * journal and engine; what is printed is the stdout sink's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/run.h"
#include "core/base/limits.h"
#include "core/datadir.h"

enum { JOBS_COUNT = 40, REQUEST_BYTES_MAX = 64 * 1024 };

static const char *const stages[] = {"extract", "clean", "join", "load", "report"};

static void job_name(unsigned number, char *name_out, size_t size) {
    (void)snprintf(name_out, size, "job:%s_%02u",
                   number == 0 ? "extract_orders" : stages[1 + number % 4], number);
}

/* Each job depends on one that comes before it: a tree under extract_orders. */
static void add_event(struct text *body, unsigned number, const char *status, const char *message) {
    char name[64];
    char upstream[64];
    job_name(number, name, sizeof(name));
    job_name((number - 1) / 3, upstream, sizeof(upstream));
    text_add_format(body, "{\"entity\":\"%s\",\"status\":\"%s\"", name, status);
    if (message != NULL) {
        text_add_format(body, ",\"message\":\"%s\"", message);
    }
    if (number > 0) {
        text_add_format(body, ",\"depends_on\":[\"%s\"]", upstream);
    }
    text_add_text(body, "}\n");
}

static bool read_answer(int fd) {
    char answer[4096];
    ssize_t got = read(fd, answer, sizeof(answer) - 1);
    return got > 12 && memcmp(answer + 9, "200", 3) == 0;
}

static bool post(uint16_t port, const struct text *body) {
    char head[256];
    struct text text = text_over(head, sizeof(head));
    text_add_format(&text,
                    "POST /v1/events HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n"
                    "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
                    body->size);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_done = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                   write(fd, text.data, text.size) == (ssize_t)text.size &&
                   write(fd, body->data, body->size) == (ssize_t)body->size && read_answer(fd);
    if (fd >= 0) {
        close(fd);
    }
    return is_done;
}

/* --- The end that somebody asks for, as by Ctrl-C: the directory goes all the same --- */

static const int end_signals[] = {SIGINT, SIGTERM, SIGHUP};

/* For all threads that start from then on. Who has us ignore one means that (nohup, a shell's &).
 */
static void block_ends(sigset_t *ends_out) {
    sigemptyset(ends_out);
    for (size_t i = 0; i < sizeof(end_signals) / sizeof(end_signals[0]); i++) {
        struct sigaction action;
        if (sigaction(end_signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
            sigaddset(ends_out, end_signals[i]);
        }
    }
    pthread_sigmask(SIG_BLOCK, ends_out, NULL);
}

/* Which signal asked for the end within the time; 0: none. */
static int rest(const sigset_t *ends, unsigned seconds) {
    const struct timespec wait = {.tv_sec = seconds};
    int signal_number = sigtimedwait(ends, NULL, &wait);
    return signal_number > 0 ? signal_number : 0;
}

/* --- The story --- */

struct demo {
    sigset_t ends;
    int ended_by; /* 0: nobody asked for the end */
};

static bool tell_failures(uint16_t port, struct text *body) {
    /* Out of order on purpose: symptoms are often quicker than their cause. */
    for (unsigned i = 0; i < JOBS_COUNT; i++) {
        unsigned number = (i * 17 + 23) % JOBS_COUNT;
        const char *message = number == 0 ? "connection to orders-db refused" : "input is missing";
        body->size = 0;
        add_event(body, number, "failed", message);
        if (!post(port, body)) {
            return false;
        }
        (void)printf("  %2u  %.*s", i + 1, (int)body->size, body->data);
    }
    return true;
}

static bool tell_recoveries(uint16_t port, struct text *body) {
    body->size = 0;
    for (unsigned i = 0; i < JOBS_COUNT; i++) {
        add_event(body, i, "succeeded", NULL);
    }
    return post(port, body);
}

/* False when events were not taken. */
static bool tell_story(struct demo *demo, uint16_t port) {
    char memory[REQUEST_BYTES_MAX];
    struct text body = text_over(memory, sizeof(memory));
    (void)printf("Forty jobs of a nightly load fail, each told to quell as it happens:\n\n");
    if (!tell_failures(port, &body)) {
        return false;
    }
    (void)printf("\nForty pages? quell waits a moment (group_wait) for the cause to arrive:\n\n");
    (void)fflush(stdout);
    demo->ended_by = rest(&demo->ends, 3);
    if (demo->ended_by != 0) {
        return true;
    }
    (void)printf("\nOne incident, and it names the job that broke first. Now everything runs "
                 "again:\n\n");
    (void)fflush(stdout);
    if (!tell_recoveries(port, &body)) {
        return false;
    }
    demo->ended_by = rest(&demo->ends, 2);
    return true;
}

/* As it was started itself: what was only built is not found by its name alone. */
static void say_how_to_go_on(void) {
    (void)printf("\nThat was it: 80 events, two messages. To send something real:\n\n"
                 "  %s run\n\n"
                 "and from another terminal:\n\n"
                 "  curl http://127.0.0.1:4318/v1/events -d '{\"job_id\":\"load_orders\","
                 "\"status\":\"failed\",\"message\":\"timeout after 30s\"}'\n"
                 "  curl http://127.0.0.1:8418/api/v1/incidents\n\n"
                 "An OpenTelemetry SDK or Collector needs only its endpoint: http://127.0.0.1:4318 "
                 "(OTLP/HTTP)\nor 127.0.0.1:4317 (gRPC).\n",
                 program_invocation_name);
}

static void add_override(struct cli_options *options, const char *override) {
    if (options->overrides_count < OVERRIDES_MAX) {
        options->overrides[options->overrides_count++] = override;
    }
}

/* Its own, and what was set on top of it. */
static void add_overrides(struct cli_options *options, const char *data_dir,
                          const struct cli_options *given) {
    const char *const overrides[] = {data_dir,
                                     "listen.http=127.0.0.1:0",
                                     "listen.grpc=127.0.0.1:0",
                                     "listen.console=127.0.0.1:0",
                                     "tenants_dir=/nonexistent",
                                     "notify.group_wait=2s",
                                     "log.level=error"};
    for (unsigned i = 0; i < sizeof(overrides) / sizeof(overrides[0]); i++) {
        add_override(options, overrides[i]);
    }
    for (uint32_t i = 0; i < given->overrides_count; i++) {
        add_override(options, given->overrides[i]);
    }
}

static int run_demo(struct demo *demo, const struct cli_options *given, const char *directory) {
    char data_dir[128];
    struct cli_options options = {.log_format = "text"};
    (void)snprintf(data_dir, sizeof(data_dir), "data_dir=%s/data", directory);
    add_overrides(&options, data_dir, given);
    struct fault fault = {{0}};
    struct config *config = NULL;
    struct runtime *runtime = NULL;
    options.config_path = "/dev/null"; /* not the quell.toml that may stand here */
    if (!status_is_ok(cli_load_config(&options, &config))) {
        return 1;
    }
    struct runtime_options runtime_options = {config, &options, given->format_json};
    if (!status_is_ok(runtime_open(&runtime_options, &runtime, &fault))) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return 1;
    }
    bool is_told = tell_story(demo, runtime_http_port(runtime));
    int code = runtime_close(runtime, NULL);
    if (!is_told) {
        (void)fprintf(stderr, "quell: the demo's events were not taken\n");
        return 1;
    }
    if (demo->ended_by == 0) {
        say_how_to_go_on();
    }
    return code;
}

int command_demo(const struct cli_options *options) {
    char directory[] = "/tmp/quell-demo-XXXXXX";
    if (options->config_path != NULL) {
        (void)fprintf(stderr, "quell: the demo has a configuration of its own: --set changes a key "
                              "of it\n");
        return 2;
    }
    struct demo demo = {.ended_by = 0};
    (void)signal(SIGPIPE, SIG_IGN);
    block_ends(&demo.ends);
    if (mkdtemp(directory) == NULL) {
        (void)fprintf(stderr, "quell: cannot make a directory in /tmp\n");
        return 1;
    }
    int code = run_demo(&demo, options, directory);
    datadir_remove(directory);
    if (demo.ended_by != 0) { /* as who started us expects it */
        (void)raise(demo.ended_by);
        pthread_sigmask(SIG_UNBLOCK, &demo.ends, NULL);
    }
    return code;
}
