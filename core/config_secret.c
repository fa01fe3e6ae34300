/*
 * config_secret.c - ${env:NAME} and ${file:PATH} in the settings of sinks and tokens. Values read
 * here live in the config's arena only; errors name the place, never the value. One that is empty
 * is refused: what it guards would be open, and a file that is being written anew looks so, too.
 */
#include "core/config_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/assert.h"

enum { SECRET_BYTES_MAX = 64 * 1024, NAME_BYTES_MAX = 512, PIPE_WAIT_S = 5 };

/* A pipe gives its bytes when somebody writes them. Who waits for that without end, hears no
 * signal: the thread that reloads is the one that ends quell. 0: nobody wrote. */
static int wait_for_bytes(int fd) {
    struct stat facts;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (fstat(fd, &facts) != 0 || S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode)) {
        return 1; /* what is wrong, read() says */
    }
    return poll(&ready, 1, S_ISFIFO(facts.st_mode) ? PIPE_WAIT_S * 1000 : -1);
}

struct status config_read_file(const char *path, size_t bytes_max, struct arena *arena,
                               struct slice *bytes_out, struct fault *fault) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* else a pipe waits here */
    if (fd < 0) {
        return fault_set(fault, STATUS_IO, "cannot read %s: %s", path, strerror(errno));
    }
    /* Unset: clearing room for the largest file took three quarters of loading 5,000 small ones. */
    uint8_t *bytes = arena_allocate_unset(arena, bytes_max + 1, 1);
    if (bytes == NULL) {
        close(fd);
        return fault_set(fault, STATUS_FULL, "%s: the configuration is too large", path);
    }
    size_t size = 0;
    ssize_t got = 1;
    int ready = 1;
    while (got > 0 && size <= bytes_max && (ready = wait_for_bytes(fd)) > 0) {
        got = read(fd, bytes + size, bytes_max + 1 - size);
        size += got > 0 ? (size_t)got : 0;
    }
    int error = errno;
    close(fd);
    if (ready == 0) {
        return fault_set(fault, STATUS_IO, "cannot read %s: nobody wrote into it for %d s", path,
                         PIPE_WAIT_S);
    }
    if (got < 0 || ready < 0) {
        return fault_set(fault, STATUS_IO, "cannot read %s: %s", path, strerror(error));
    }
    if (size > bytes_max) {
        return fault_set(fault, STATUS_INVALID, "%s is larger than %zu bytes", path, bytes_max);
    }
    bytes[size] = 0;
    arena_rewind(arena, (size_t)(bytes + size + 1 - arena->base));
    *bytes_out = slice_of(bytes, size);
    return status_ok();
}

static struct status expand_env(const char *name, struct slice *value_out, struct fault *fault) {
    const char *value = getenv(name);
    if (value == NULL) {
        return fault_set(fault, STATUS_INVALID, "environment variable %s is not set", name);
    }
    if (value[0] == 0) {
        return fault_set(fault, STATUS_INVALID, "environment variable %s is empty", name);
    }
    *value_out = slice_of_text(value);
    return status_ok();
}

/* A file's value without the newline that editors leave at its end. */
static struct status expand_file(const char *path, struct arena *arena, struct slice *value_out,
                                 struct fault *fault) {
    TRY(config_read_file(path, SECRET_BYTES_MAX, arena, value_out, fault));
    while (value_out->size > 0 && (value_out->data[value_out->size - 1] == '\n' ||
                                   value_out->data[value_out->size - 1] == '\r')) {
        value_out->size--;
    }
    return value_out->size > 0 ? status_ok()
                               : fault_set(fault, STATUS_INVALID, "%s is empty", path);
}

static struct status expand_one(struct slice reference, struct arena *arena,
                                struct slice *value_out, struct fault *fault) {
    char name[NAME_BYTES_MAX];
    bool is_env = slice_starts_with(reference, SLICE("env:"));
    bool is_file = slice_starts_with(reference, SLICE("file:"));
    struct slice rest = slice_tail(reference, is_env ? 4 : 5);
    if ((!is_env && !is_file) || rest.size == 0 || rest.size >= sizeof(name)) {
        return fault_set(fault, STATUS_INVALID,
                         "only ${env:NAME} and ${file:PATH} are known after a $");
    }
    memcpy(name, rest.data, rest.size);
    name[rest.size] = 0;
    return is_env ? expand_env(name, value_out, fault) : expand_file(name, arena, value_out, fault);
}

struct status config_expand(struct slice text, struct arena *arena, struct slice *expanded_out,
                            bool *is_secret_out, struct fault *fault) {
    if (slice_find_byte(text, '$') == text.size) {
        *expanded_out = text;
        *is_secret_out = false;
        return status_ok();
    }
    char *built = arena_allocate(arena, SECRET_BYTES_MAX, 1);
    if (built == NULL) {
        return fault_set(fault, STATUS_FULL, "the configuration is too large");
    }
    struct text expanded = text_over(built, SECRET_BYTES_MAX);
    bool is_secret = false;
    size_t at = 0;
    while (at < text.size) {
        struct slice rest = slice_tail(text, at);
        if (!slice_starts_with(rest, SLICE("${"))) {
            text_add(&expanded, slice_head(rest, 1));
            at++;
            continue;
        }
        size_t end = slice_find_byte(rest, '}');
        if (end == rest.size) {
            return fault_set(fault, STATUS_INVALID, "\"${\" without \"}\"");
        }
        struct slice value;
        TRY(expand_one(slice_head(slice_tail(rest, 2), end - 2), arena, &value, fault));
        text_add(&expanded, value);
        is_secret = true;
        at += end + 1;
    }
    if (expanded.truncated) {
        return fault_set(fault, STATUS_INVALID, "a value is larger than %d bytes",
                         SECRET_BYTES_MAX);
    }
    *expanded_out = text_slice(&expanded);
    *is_secret_out = is_secret;
    return status_ok();
}
