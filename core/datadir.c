/* datadir.c - see datadir.h. */
#include "core/datadir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char format_line[] = "quell-data 2\n";
/* Dedup keys under their fingerprints: read, and written as of today at the first start. */
static const char older_format_line[] = "quell-data 1\n";
static_assert(sizeof(older_format_line) == sizeof(format_line), "one is written over the other");

static struct status make_directory(const char *path, struct fault *fault) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, STATUS_IO, "cannot make the directory %s: %s", path,
                         strerror(errno));
    }
    return status_ok();
}

static struct status join(const struct datadir *datadir, const char *name, char *path_out) {
    int size = snprintf(path_out, DATADIR_PATH_BYTES_MAX, "%s/%s", datadir->path, name);
    return size < DATADIR_PATH_BYTES_MAX ? status_ok() : status_of(STATUS_FULL);
}

/* Who only reads takes the lock of a directory that is not his to write, too: a snapshot, a copy
 * that was brought back. Without a LOCK nobody runs on it. */
static int open_lock(const char *path, bool is_to_write) {
    if (is_to_write) {
        return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool may_not_write = fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM);
    return may_not_write ? open(path, O_RDONLY | O_CLOEXEC) : fd;
}

static struct status take_lock(struct datadir *datadir, bool is_to_write, struct fault *fault) {
    char path[DATADIR_PATH_BYTES_MAX];
    TRY(join(datadir, "LOCK", path));
    datadir->lock_fd = open_lock(path, is_to_write);
    if (datadir->lock_fd < 0 && !is_to_write && errno == ENOENT) {
        return status_ok();
    }
    if (datadir->lock_fd < 0) {
        return fault_set(fault, STATUS_IO, "cannot open %s: %s", path, strerror(errno));
    }
    if (flock(datadir->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        return status_ok();
    }
    if (errno != EWOULDBLOCK) {
        return fault_set(fault, STATUS_IO, "cannot lock %s: %s", path, strerror(errno));
    }
    return fault_set(fault, STATUS_DENIED,
                     "the data directory %s is used by another quell: stop it first, or set "
                     "data_dir to a directory of its own",
                     datadir->path);
}

/* Reads the file; who writes makes it with these bytes, durably, when it is empty or not there. */
static struct status read_or_make(const char *path, bool is_to_write, void *bytes, size_t size,
                                  struct fault *fault) {
    int fd = open(path, (is_to_write ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fault_set(fault, STATUS_IO, "cannot open %s: %s", path, strerror(errno));
    }
    struct stat facts;
    bool is_new = is_to_write && fstat(fd, &facts) == 0 && facts.st_size == 0;
    ssize_t moved = is_new ? write(fd, bytes, size) : pread(fd, bytes, size, 0);
    bool is_done = moved == (ssize_t)size && (!is_new || fsync(fd) == 0);
    int error = errno;
    close(fd);
    if (!is_done) {
        return fault_set(fault, moved < 0 ? STATUS_IO : STATUS_CORRUPT, "%s cannot be %s: %s", path,
                         is_new ? "written" : "read",
                         moved < 0 ? strerror(error) : "it is too short");
    }
    return status_ok();
}

/* An older quell must not open what this one is about to write: it would not find all of it. */
static struct status raise_format(const char *path, struct fault *fault) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t size = sizeof(format_line) - 1;
    bool is_done = fd >= 0 && pwrite(fd, format_line, (size_t)size, 0) == size && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return is_done ? status_ok()
                   : fault_set(fault, STATUS_IO, "%s cannot be written: %s", path, strerror(error));
}

static struct status check_format(struct datadir *datadir, bool is_to_write, struct fault *fault) {
    char path[DATADIR_PATH_BYTES_MAX];
    char line[sizeof(format_line)];
    memcpy(line, format_line, sizeof(line));
    TRY(join(datadir, "FORMAT", path));
    TRY(read_or_make(path, is_to_write, line, sizeof(format_line) - 1, fault));
    if (memcmp(line, older_format_line, sizeof(format_line) - 1) == 0) {
        return is_to_write ? raise_format(path, fault) : status_ok();
    }
    if (memcmp(line, format_line, sizeof(format_line) - 1) != 0) {
        return fault_set(fault, STATUS_UNSUPPORTED,
                         "%s names a format that this version does not know: use the quell that "
                         "wrote it, or another data_dir",
                         path);
    }
    return status_ok();
}

static struct status load_seed(struct datadir *datadir, bool is_to_write, struct fault *fault) {
    char path[DATADIR_PATH_BYTES_MAX];
    TRY(join(datadir, "shard-0", path));
    bool is_made_anew = is_to_write && access(path, F_OK) != 0;
    TRY(join(datadir, "seed", path));
    struct stat facts;
    bool is_there = stat(path, &facts) == 0;
    if (!is_made_anew && (!is_there || facts.st_size == 0)) {
        /* With another seed a replay would give other fingerprints. */
        return fault_set(fault, STATUS_CORRUPT,
                         "%s is %s: bring it back from a copy, or move %s away to begin anew", path,
                         is_there ? "empty" : "missing", datadir->path);
    }
    if (getrandom(&datadir->hash_seed, sizeof(datadir->hash_seed), 0) !=
        (ssize_t)sizeof(datadir->hash_seed)) {
        return fault_set(fault, STATUS_IO, "no random bytes: %s", strerror(errno));
    }
    return read_or_make(path, is_to_write, &datadir->hash_seed, sizeof(datadir->hash_seed), fault);
}

static struct status open_all(struct datadir *datadir, bool is_to_write, struct fault *fault) {
    char shard[DATADIR_PATH_BYTES_MAX];
    TRY(is_to_write ? make_directory(datadir->path, fault) : status_ok());
    TRY(take_lock(datadir, is_to_write, fault));
    TRY(check_format(datadir, is_to_write, fault));
    TRY(load_seed(datadir, is_to_write, fault));
    TRY(join(datadir, "shard-0", shard));
    return is_to_write ? make_directory(shard, fault) : status_ok();
}

static struct status open_path(struct slice path, bool is_to_write, struct datadir *datadir_out,
                               struct fault *fault) {
    struct datadir datadir = {.lock_fd = -1};
    if (path.size == 0 || path.size > DATADIR_BYTES_MAX) {
        return fault_set(fault, STATUS_INVALID, "data_dir has 1 to %d bytes", DATADIR_BYTES_MAX);
    }
    memcpy(datadir.path, path.data, path.size);
    struct status status = open_all(&datadir, is_to_write, fault);
    if (!status_is_ok(status)) {
        datadir_close(&datadir);
        return status;
    }
    *datadir_out = datadir;
    return status_ok();
}

struct status datadir_open(struct slice path, struct datadir *datadir_out, struct fault *fault) {
    return open_path(path, true, datadir_out, fault);
}

static struct status check_exists(struct slice path, struct fault *fault) {
    char format[DATADIR_PATH_BYTES_MAX];
    int size = snprintf(format, sizeof(format), "%.*s/FORMAT", SLICE_PRINT(path));
    if (size >= DATADIR_BYTES_MAX || access(format, F_OK) != 0) {
        return fault_set(fault, STATUS_MISSING, "%.*s is no data directory of quell",
                         SLICE_PRINT(path));
    }
    return status_ok();
}

struct status datadir_open_existing(struct slice path, struct datadir *datadir_out,
                                    struct fault *fault) {
    TRY(check_exists(path, fault));
    return open_path(path, false, datadir_out, fault);
}

struct status datadir_peek(struct slice path, struct datadir *datadir_out, struct fault *fault) {
    struct datadir datadir = {.lock_fd = -1};
    TRY(check_exists(path, fault));
    memcpy(datadir.path, path.data, path.size);
    TRY(check_format(&datadir, false, fault));
    TRY(load_seed(&datadir, false, fault));
    *datadir_out = datadir;
    return status_ok();
}

void datadir_close(struct datadir *datadir) {
    if (datadir->path[0] != 0 && datadir->lock_fd >= 0) {
        close(datadir->lock_fd);
    }
    *datadir = (struct datadir){.lock_fd = -1};
}

struct status datadir_shard_path(const struct datadir *datadir, uint32_t shard, const char *name,
                                 char *path_out) {
    int size =
        snprintf(path_out, DATADIR_PATH_BYTES_MAX, "%s/shard-%u/%s", datadir->path, shard, name);
    return size < DATADIR_PATH_BYTES_MAX ? status_ok() : status_of(STATUS_FULL);
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *place) {
    (void)facts;
    (void)kind;
    (void)place;
    (void)remove(path);
    return 0;
}

void datadir_remove(const char *path) {
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
