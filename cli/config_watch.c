/* config_watch.c - see config_watch.h. inotify(7). */
#include "cli/config_watch.h"

#include <libgen.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/base/limits.h"

#define QUIET_NS (500 * NS_PER_MS)
enum { PATH_BYTES_MAX = 4096 };
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE)

static int watch_folder(struct config_watch *watch, const char *folder) {
    return folder[0] == 0 ? -1 : inotify_add_watch(watch->fd, folder, EVENTS);
}

static void watch_file(struct config_watch *watch, struct slice path) {
    char name[PATH_BYTES_MAX];
    char folder[PATH_BYTES_MAX];
    struct text name_text = text_over(name, sizeof(name));
    struct text folder_text = text_over(folder, sizeof(folder));
    if (path.size == 0 || path.size >= sizeof(name) ||
        watch->files_count == CONFIG_WATCH_FILES_MAX) {
        return;
    }
    text_add(&name_text, path);
    text_add(&folder_text, path);
    struct config_watch_file *file = &watch->files[watch->files_count++];
    struct text file_name = text_over(file->name, sizeof(file->name));
    text_add_text(&file_name, basename(name));
    file->folder = watch_folder(watch, dirname(folder));
}

void config_watch_open(struct config_watch *watch, const char *path, const struct config *config) {
    char folder[PATH_BYTES_MAX];
    struct text text = text_over(folder, sizeof(folder));
    *watch = (struct config_watch){.tenants_watch = -1};
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        return;
    }
    text_add(&text, config->tenants_dir);
    watch->tenants_watch = watch_folder(watch, folder);
    watch_file(watch, path == NULL ? slice_of(NULL, 0) : slice_of_text(path));
    watch_file(watch, config->tls.cert_file);
    watch_file(watch, config->tls.key_file);
    watch_file(watch, config->tls.client_ca_file);
}

void config_watch_close(struct config_watch *watch) {
    if (watch->fd >= 0) {
        (void)close(watch->fd);
        watch->fd = -1;
    }
}

/* A tenant's file, ours, or the link that Kubernetes turns to a new version of a volume. */
static bool concerns_us(const struct config_watch *watch, const struct inotify_event *event) {
    struct slice name = event->len == 0 ? slice_of(NULL, 0) : slice_of_text(event->name);
    bool is_toml = name.size > 5 && name.data[0] != '.' &&
                   slice_equals(slice_tail(name, name.size - 5), SLICE(".toml"));
    if (slice_equals(name, SLICE("..data"))) {
        return true;
    }
    if (event->mask & IN_CREATE) {
        return false; /* still empty: told again when it is closed */
    }
    for (uint32_t i = 0; i < watch->files_count; i++) {
        if (event->wd == watch->files[i].folder &&
            slice_equals(name, slice_of_text(watch->files[i].name))) {
            return true;
        }
    }
    return event->wd == watch->tenants_watch && is_toml;
}

bool config_watch_is_due(struct config_watch *watch, uint64_t now_ns) {
    _Alignas(struct inotify_event) char bytes[8192];
    ssize_t got = watch->fd < 0 ? 0 : read(watch->fd, bytes, sizeof(bytes));
    while (got > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
            if (concerns_us(watch, event)) {
                watch->changed_ns = now_ns;
            }
            at += (ssize_t)(sizeof(*event) + event->len);
        }
        got = read(watch->fd, bytes, sizeof(bytes));
    }
    if (watch->changed_ns == 0 || now_ns - watch->changed_ns < QUIET_NS) {
        return false;
    }
    watch->changed_ns = 0;
    return true;
}
