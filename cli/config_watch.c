/* config_watch.c - see config_watch.h. inotify(7). */
#include "cli/config_watch.h"

#include <dirent.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/limits.h"

#define QUIET_NS (500 * NS_PER_MS)
/* Who has written for so long no more will not soon close the file. */
#define WRITTEN_NS (5 * NS_PER_S)
/* Who empties the tenants' directory, or puts another in its place, may fill it a little later. */
#define EMPTY_NS (5 * NS_PER_S)
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE)
#define EVENTS_TENANTS (EVENTS | IN_MODIFY)
#define EVENTS_FILE (EVENTS | IN_MASK_ADD)

/* Which folder stands at the path now; `path` empty: none. */
static void identify(struct config_watch_folder *folder) {
    struct stat facts;
    bool is_there = folder->path[0] != 0 && stat(folder->path, &facts) == 0;
    folder->device = is_there ? facts.st_dev : 0;
    folder->inode = is_there ? facts.st_ino : 0;
}

/* Identified first: what takes its place from then on is found to be another. */
static void watch_folder(const struct config_watch *watch, struct slice path, uint32_t events,
                         struct config_watch_folder *folder) {
    struct text text = text_over(folder->path, sizeof(folder->path));
    text_add(&text, path);
    identify(folder);
    folder->watch =
        path.size == 0 || text.truncated ? -1 : inotify_add_watch(watch->fd, folder->path, events);
}

/* A device is written to by anybody (/dev/null), a pipe is read once. What is not there may come.
 */
static bool is_file(const char *path) {
    struct stat facts;
    return stat(path, &facts) != 0 || S_ISREG(facts.st_mode);
}

static void watch_file(struct config_watch *watch, struct slice path) {
    char name[CONFIG_WATCH_PATH_BYTES_MAX];
    char folder[CONFIG_WATCH_PATH_BYTES_MAX];
    struct text name_text = text_over(name, sizeof(name));
    struct text folder_text = text_over(folder, sizeof(folder));
    if (path.size == 0 || path.size >= sizeof(name) ||
        watch->files_count == CONFIG_WATCH_FILES_MAX) {
        return;
    }
    text_add(&name_text, path);
    text_add(&folder_text, path);
    if (!is_file(name)) {
        return;
    }
    struct config_watch_file *file = &watch->files[watch->files_count++];
    struct text file_name = text_over(file->name, sizeof(file->name));
    text_add_text(&file_name, basename(name));
    watch_folder(watch, slice_of_text(dirname(folder)), EVENTS_FILE, &file->folder);
}

void config_watch_open(struct config_watch *watch, const char *path, const struct config *config) {
    *watch = (struct config_watch){.tenants.watch = -1};
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        return;
    }
    watch->has_tenants = config->tenants_count > 0;
    watch_folder(watch, config->tenants_dir, EVENTS_TENANTS, &watch->tenants);
    watch_file(watch, path == NULL ? slice_of(NULL, 0) : slice_of_text(path));
    watch_file(watch, config->tls.cert_file);
    watch_file(watch, config->tls.key_file);
    watch_file(watch, config->tls.client_ca_file);
}

static bool is_same_folder(const struct config_watch_folder *a,
                           const struct config_watch_folder *b) {
    return a->device == b->device && a->inode == b->inode && strcmp(a->path, b->path) == 0;
}

static bool is_same(const struct config_watch *a, const struct config_watch *b) {
    bool is_same = a->files_count == b->files_count && is_same_folder(&a->tenants, &b->tenants);
    for (uint32_t i = 0; is_same && i < a->files_count; i++) {
        is_same = is_same_folder(&a->files[i].folder, &b->files[i].folder) &&
                  strcmp(a->files[i].name, b->files[i].name) == 0;
    }
    return is_same;
}

void config_watch_follow(struct config_watch *watch, const char *path, const struct config *config,
                         uint64_t now_ns) {
    struct config_watch next;
    config_watch_open(&next, path, config);
    watch->has_tenants = config->tenants_count > 0;
    if (next.fd < 0 || is_same(watch, &next)) {
        config_watch_close(&next);
        return;
    }
    config_watch_close(watch);
    *watch = next;
    watch->changed_ns = now_ns;
}

void config_watch_close(struct config_watch *watch) {
    if (watch->fd >= 0) {
        (void)close(watch->fd);
        watch->fd = -1;
    }
}

/* --- What is told of --- */

/* A link is made whole; a file that is made is still empty, and told again when it is closed. */
static bool is_whole(const struct config_watch_folder *folder, const struct inotify_event *event) {
    char path[CONFIG_WATCH_PATH_BYTES_MAX + sizeof(((struct config_watch_file *)0)->name)];
    struct stat facts;
    if ((event->mask & IN_CREATE) == 0) {
        return true;
    }
    (void)snprintf(path, sizeof(path), "%s/%s", folder->path, event->name);
    return lstat(path, &facts) == 0 && (S_ISLNK(facts.st_mode) || facts.st_nlink > 1);
}

static bool is_tenants(struct slice name) {
    return name.size > 5 && name.data[0] != '.' &&
           slice_equals(slice_tail(name, name.size - 5), SLICE(".toml"));
}

/* A tenant's file, ours, or the link that Kubernetes turns to a new version of a volume. */
static bool concerns_us(const struct config_watch *watch, const struct inotify_event *event) {
    struct slice name = event->len == 0 ? slice_of(NULL, 0) : slice_of_text(event->name);
    if (slice_equals(name, SLICE("..data"))) {
        return true;
    }
    for (uint32_t i = 0; i < watch->files_count; i++) {
        const struct config_watch_file *file = &watch->files[i];
        if (event->wd == file->folder.watch && slice_equals(name, slice_of_text(file->name))) {
            return is_whole(&file->folder, event);
        }
    }
    return event->wd == watch->tenants.watch && is_tenants(name) &&
           is_whole(&watch->tenants, event);
}

/* Its own place, else a free one; NULL: so many that one more is not waited for. */
static struct config_watch_written *written_find(struct config_watch *watch, uint64_t name_hash) {
    struct config_watch_written *free_place = NULL;
    for (uint32_t i = 0; i < CONFIG_WATCH_WRITTEN_MAX; i++) {
        struct config_watch_written *written = &watch->written[i];
        if (written->at_ns != 0 && written->name_hash == name_hash) {
            return written;
        }
        free_place = written->at_ns == 0 ? written : free_place;
    }
    return free_place;
}

/* Whatever comes after the writes to a file ends them: it is closed, or gone, or another's. */
static void note_written(struct config_watch *watch, const struct inotify_event *event,
                         uint64_t now_ns) {
    uint64_t name_hash = hash64_of(slice_of_text(event->name), 0);
    struct config_watch_written *written = written_find(watch, name_hash);
    if (written != NULL) {
        bool is_on = (event->mask & IN_MODIFY) != 0;
        *written = (struct config_watch_written){name_hash, is_on ? now_ns : 0};
    }
}

static bool is_being_written(struct config_watch *watch, uint64_t now_ns) {
    bool is_any = false;
    for (uint32_t i = 0; i < CONFIG_WATCH_WRITTEN_MAX; i++) {
        struct config_watch_written *written = &watch->written[i];
        written->at_ns = now_ns - written->at_ns < WRITTEN_NS ? written->at_ns : 0;
        is_any = is_any || written->at_ns != 0;
    }
    return is_any;
}

/* A folder that is gone is told of no more, and its number may be that of the next one. */
static void forget_folder(struct config_watch *watch, int gone) {
    watch->tenants.inode = watch->tenants.watch == gone ? 0 : watch->tenants.inode;
    for (uint32_t i = 0; i < watch->files_count; i++) {
        struct config_watch_folder *folder = &watch->files[i].folder;
        folder->inode = folder->watch == gone ? 0 : folder->inode;
    }
}

static void take_event(struct config_watch *watch, const struct inotify_event *event,
                       uint64_t now_ns) {
    if ((event->mask & IN_IGNORED) != 0) {
        forget_folder(watch, event->wd);
        return;
    }
    if ((event->mask & IN_Q_OVERFLOW) != 0) { /* what came too fast is not told at all */
        watch->changed_ns = now_ns;
        return;
    }
    bool is_told = concerns_us(watch, event);
    if (is_told && event->wd == watch->tenants.watch) {
        note_written(watch, event, now_ns);
    }
    if (is_told && (event->mask & IN_MODIFY) == 0) { /* else its end is told as well */
        watch->changed_ns = now_ns;
    }
}

static void take_events(struct config_watch *watch, uint64_t now_ns) {
    _Alignas(struct inotify_event) char bytes[8192];
    ssize_t got = watch->fd < 0 ? 0 : read(watch->fd, bytes, sizeof(bytes));
    while (got > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
            take_event(watch, event, now_ns);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
        got = read(watch->fd, bytes, sizeof(bytes));
    }
}

/* --- Folders in the place of others --- */

static bool is_another(const struct config_watch_folder *folder) {
    struct config_watch_folder now = *folder;
    identify(&now);
    return now.device != folder->device || now.inode != folder->inode;
}

static bool is_any_another(const struct config_watch *watch) {
    bool is_any = is_another(&watch->tenants);
    for (uint32_t i = 0; i < watch->files_count; i++) {
        is_any = is_any || is_another(&watch->files[i].folder);
    }
    return is_any;
}

/* The same paths, whatever stands there now. */
static void watch_again(struct config_watch *watch) {
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        return;
    }
    (void)close(watch->fd);
    watch->fd = fd;
    const struct config_watch old = *watch;
    watch_folder(watch, slice_of_text(old.tenants.path), EVENTS_TENANTS, &watch->tenants);
    for (uint32_t i = 0; i < watch->files_count; i++) {
        watch_folder(watch, slice_of_text(old.files[i].folder.path), EVENTS_FILE,
                     &watch->files[i].folder);
    }
}

/* Whether those that have tenants by files of theirs would be left with none. */
static bool is_empty(const struct config_watch *watch) {
    bool is_empty = watch->has_tenants;
    DIR *directory = is_empty ? opendir(watch->tenants.path) : NULL;
    for (struct dirent *entry = directory == NULL ? NULL : readdir(directory);
         is_empty && entry != NULL; entry = readdir(directory)) {
        is_empty = !is_tenants(slice_of_text(entry->d_name));
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return is_empty;
}

void config_watch_forget(struct config_watch *watch, uint64_t now_ns) {
    take_events(watch, now_ns);
    watch->changed_ns = 0;
}

bool config_watch_is_due(struct config_watch *watch, uint64_t now_ns) {
    take_events(watch, now_ns);
    if (watch->fd >= 0 && is_any_another(watch)) {
        watch_again(watch);
        watch->changed_ns = now_ns;
    }
    uint64_t quiet_ns = now_ns - watch->changed_ns;
    if (watch->changed_ns == 0 || quiet_ns < QUIET_NS || is_being_written(watch, now_ns) ||
        (quiet_ns < EMPTY_NS && is_empty(watch))) {
        return false;
    }
    watch->changed_ns = 0;
    return true;
}
