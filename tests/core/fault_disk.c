/* fault_disk.c - see fault_disk.h. An undo log of unsynced writes and renames, newest last. */
#include "tests/core/fault_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/assert.h"

enum { UNDO_MAX = 4096, FILES_MAX = 256, PATH_MAX_BYTES = 512, SECTOR_BYTES = 512 };

/* One write that the disk may forget. */
struct undo {
    char path[PATH_MAX_BYTES];
    char renamed_to[PATH_MAX_BYTES]; /* a rename when not empty */
    uint64_t offset;
    size_t size; /* of the write */
    uint8_t *old;
    bool is_lost; /* a sync failed behind it: never kept by a later one */
};

struct fault_disk {
    struct files files;
    uint64_t random;
    uint32_t fail_one_in;
    uint32_t failures;
    uint32_t calls_until_failure; /* 0: none is told to fail */
    int told_error;
    struct undo undos[UNDO_MAX];
    uint32_t undos_count;
    char paths[FILES_MAX][PATH_MAX_BYTES]; /* of open descriptors */
};

uint64_t fault_disk_random(struct fault_disk *disk) {
    disk->random ^= disk->random << 13;
    disk->random ^= disk->random >> 7;
    disk->random ^= disk->random << 17;
    return disk->random;
}

/* As fault_disk_fail_call told it. */
static bool fails_as_told(struct fault_disk *disk) {
    if (disk->calls_until_failure == 0 || --disk->calls_until_failure > 0) {
        return false;
    }
    disk->failures++;
    errno = disk->told_error;
    return true;
}

static bool fails_at_chance(struct fault_disk *disk, int error) {
    if (disk->fail_one_in == 0 || fault_disk_random(disk) % disk->fail_one_in != 0) {
        return false;
    }
    disk->failures++;
    errno = error;
    return true;
}

static bool fails(struct fault_disk *disk, int error) {
    return fails_as_told(disk) || fails_at_chance(disk, error);
}

static struct undo *add_undo(struct fault_disk *disk, const char *path) {
    ASSERT(disk->undos_count < UNDO_MAX);
    struct undo *undo = &disk->undos[disk->undos_count++];
    *undo = (struct undo){0};
    size_t size = strnlen(path, sizeof(undo->path) - 1); /* the rest is zero already */
    memmove(undo->path, path, size);
    return undo;
}

static int disk_open(void *context, const char *path, int flags) {
    struct fault_disk *disk = context;
    if ((flags & O_CREAT) != 0 ? fails(disk, ENOSPC) : fails_as_told(disk)) {
        return -1;
    }
    int fd = open(path, (flags & ~O_DIRECT) | O_CLOEXEC, 0600);
    if (fd >= 0) {
        ASSERT(fd < FILES_MAX);
        (void)snprintf(disk->paths[fd], PATH_MAX_BYTES, "%s", path);
    }
    return fd;
}

static void disk_close(void *context, int fd) {
    (void)context;
    close(fd);
}

static ssize_t disk_read_at(void *context, int fd, void *data, size_t size, uint64_t offset) {
    (void)context;
    return pread(fd, data, size, (off_t)offset);
}

static ssize_t disk_write_at(void *context, int fd, const void *data, size_t size,
                             uint64_t offset) {
    struct fault_disk *disk = context;
    if (fails(disk, fault_disk_random(disk) % 2 == 0 ? EIO : ENOSPC)) {
        return -1;
    }
    struct undo *undo = add_undo(disk, disk->paths[fd]);
    undo->offset = offset;
    undo->old = calloc(1, size);
    ASSERT(undo->old != NULL && pread(fd, undo->old, size, (off_t)offset) >= 0);
    undo->size = size;
    bool is_short = fails_at_chance(disk, 0);
    return pwrite(fd, data, is_short ? size / 2 : size, (off_t)offset);
}

/* Forgets what is undone no more: all of the file, names in the directory. */
static void settle(struct fault_disk *disk, const char *path, bool is_failed) {
    uint32_t kept = 0;
    size_t path_size = strlen(path);
    for (uint32_t i = 0; i < disk->undos_count; i++) {
        struct undo *undo = &disk->undos[i];
        bool is_rename = undo->renamed_to[0] != 0;
        bool is_its = is_rename ? strncmp(undo->renamed_to, path, path_size) == 0 &&
                                      undo->renamed_to[path_size] == '/'
                                : strcmp(undo->path, path) == 0;
        if (is_its && !is_failed && !undo->is_lost) {
            free(undo->old);
            continue;
        }
        undo->is_lost = undo->is_lost || (is_its && is_failed && !is_rename);
        disk->undos[kept++] = *undo;
    }
    disk->undos_count = kept;
}

static int disk_sync(void *context, int fd, int data_only) {
    struct fault_disk *disk = context;
    (void)data_only;
    bool is_failed = fails(disk, EIO);
    settle(disk, disk->paths[fd], is_failed);
    return is_failed ? -1 : 0;
}

static int disk_allocate(void *context, int fd, uint64_t offset, uint64_t size) {
    struct fault_disk *disk = context;
    if (fails(disk, ENOSPC)) {
        return -1;
    }
    return size == 0 ? 0 : fallocate(fd, 0, (off_t)offset, (off_t)size);
}

static int disk_truncate(void *context, int fd, uint64_t size) {
    struct fault_disk *disk = context;
    return fails(disk, EIO) ? -1 : ftruncate(fd, (off_t)size);
}

/* Descriptors and undone writes know a file by its name: it gets the new one. */
static int disk_rename(void *context, const char *from, const char *to) {
    struct fault_disk *disk = context;
    if (fails(disk, EIO) || rename(from, to) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < disk->undos_count; i++) {
        if (strcmp(disk->undos[i].path, from) == 0) {
            (void)snprintf(disk->undos[i].path, PATH_MAX_BYTES, "%s", to);
        }
    }
    for (uint32_t fd = 0; fd < FILES_MAX; fd++) {
        if (strcmp(disk->paths[fd], from) == 0) {
            (void)snprintf(disk->paths[fd], PATH_MAX_BYTES, "%s", to);
        }
    }
    struct undo *undo = add_undo(disk, from);
    (void)snprintf(undo->renamed_to, PATH_MAX_BYTES, "%s", to);
    return 0;
}

static int disk_remove(void *context, const char *path) {
    (void)context;
    return unlink(path);
}

static const struct file_ops disk_ops = {
    .open = disk_open,
    .close = disk_close,
    .read_at = disk_read_at,
    .write_at = disk_write_at,
    .sync = disk_sync,
    .allocate = disk_allocate,
    .truncate = disk_truncate,
    .rename = disk_rename,
    .remove = disk_remove,
};

struct fault_disk *fault_disk_open(const struct fault_disk_options *options) {
    struct fault_disk *disk = calloc(1, sizeof(*disk));
    ASSERT(disk != NULL);
    disk->files = (struct files){&disk_ops, disk};
    disk->random = options->seed * 2654435761u + 88172645463325252u;
    disk->fail_one_in = options->fail_one_in;
    return disk;
}

static void forget_undos(struct fault_disk *disk) {
    for (uint32_t i = 0; i < disk->undos_count; i++) {
        free(disk->undos[i].old);
    }
    disk->undos_count = 0;
}

void fault_disk_close(struct fault_disk *disk) {
    forget_undos(disk);
    free(disk);
}

const struct files *fault_disk_files(struct fault_disk *disk) {
    return &disk->files;
}

static void undo_write(struct fault_disk *disk, const struct undo *undo, bool drops_all) {
    int fd = open(undo->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return; /* its name was lost, or retention took it */
    }
    struct stat info;
    ASSERT(fstat(fd, &info) == 0);
    for (size_t at = 0; at < undo->size; at += SECTOR_BYTES) {
        size_t size = undo->size - at < SECTOR_BYTES ? undo->size - at : SECTOR_BYTES;
        bool is_inside = undo->offset + at + size <= (uint64_t)info.st_size;
        if (is_inside && (drops_all || fault_disk_random(disk) % 2 == 0)) {
            ASSERT(pwrite(fd, undo->old + at, size, (off_t)(undo->offset + at)) == (ssize_t)size);
        }
    }
    close(fd);
}

void fault_disk_cut_power(struct fault_disk *disk) {
    enum { KEEP, DROP, TEAR, MODES };
    for (uint32_t i = disk->undos_count; i > 0; i--) {
        struct undo *undo = &disk->undos[i - 1];
        uint64_t mode = undo->is_lost ? DROP : fault_disk_random(disk) % MODES;
        if (undo->renamed_to[0] != 0) {
            if (mode == DROP) {
                (void)rename(undo->renamed_to, undo->path);
            }
        } else if (mode != KEEP) {
            undo_write(disk, undo, mode == DROP);
        }
    }
    forget_undos(disk);
}

void fault_disk_set_failures(struct fault_disk *disk, uint32_t fail_one_in) {
    disk->fail_one_in = fail_one_in;
}

void fault_disk_fail_call(struct fault_disk *disk, uint32_t number, int error) {
    disk->calls_until_failure = number;
    disk->told_error = error;
}

uint32_t fault_disk_failures(const struct fault_disk *disk) {
    return disk->failures;
}
