/* file.c - see file.h. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int machine_open(void *context, const char *path, int flags) {
    (void)context;
    return open(path, flags | O_CLOEXEC, 0600);
}

static void machine_close(void *context, int fd) {
    (void)context;
    close(fd);
}

static ssize_t machine_read_at(void *context, int fd, void *data, size_t size, uint64_t offset) {
    (void)context;
    return pread(fd, data, size, (off_t)offset);
}

static ssize_t machine_write_at(void *context, int fd, const void *data, size_t size,
                                uint64_t offset) {
    (void)context;
    return pwrite(fd, data, size, (off_t)offset);
}

static int machine_sync(void *context, int fd, int data_only) {
    (void)context;
    return data_only != 0 ? fdatasync(fd) : fsync(fd);
}

static int machine_allocate(void *context, int fd, uint64_t offset, uint64_t size) {
    (void)context;
    if (size == 0 || fallocate(fd, 0, (off_t)offset, (off_t)size) == 0) {
        return 0;
    }
    if (errno != EOPNOTSUPP) {
        return -1;
    }
    errno = posix_fallocate(fd, (off_t)offset, (off_t)size);
    return errno == 0 ? 0 : -1;
}

static int machine_truncate(void *context, int fd, uint64_t size) {
    (void)context;
    return ftruncate(fd, (off_t)size);
}

static int machine_rename(void *context, const char *from, const char *to) {
    (void)context;
    return rename(from, to);
}

static int machine_remove(void *context, const char *path) {
    (void)context;
    return unlink(path);
}

static int64_t machine_find_data(void *context, int fd, uint64_t offset) {
    (void)context;
    return lseek(fd, (off_t)offset, SEEK_DATA);
}

static const struct file_ops machine_ops = {
    .open = machine_open,
    .close = machine_close,
    .read_at = machine_read_at,
    .write_at = machine_write_at,
    .sync = machine_sync,
    .allocate = machine_allocate,
    .truncate = machine_truncate,
    .rename = machine_rename,
    .remove = machine_remove,
    .find_data = machine_find_data,
};
static const struct files machine = {&machine_ops, NULL};

static const struct files *or_machine(const struct files *files) {
    return files == NULL ? &machine : files;
}

int file_open(const struct files *files, const char *path, int flags) {
    files = or_machine(files);
    return files->ops->open(files->context, path, flags);
}

void file_close(const struct files *files, int fd) {
    files = or_machine(files);
    files->ops->close(files->context, fd);
}

size_t file_read(const struct files *files, int fd, void *data, size_t size, uint64_t offset) {
    files = or_machine(files);
    size_t done = 0;
    while (done < size) {
        ssize_t got = files->ops->read_at(files->context, fd, (uint8_t *)data + done, size - done,
                                          offset + done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        done += (size_t)got;
    }
    return done;
}

uint64_t file_find_data(const struct files *files, int fd, uint64_t offset) {
    files = or_machine(files);
    if (files->ops->find_data == NULL) {
        return offset;
    }
    int64_t found = files->ops->find_data(files->context, fd, offset);
    if (found < 0) {
        return errno == ENXIO ? UINT64_MAX : offset; /* the file system does not tell */
    }
    return (uint64_t)found;
}

int file_write(const struct files *files, int fd, const void *data, size_t size, uint64_t offset) {
    files = or_machine(files);
    ssize_t written = files->ops->write_at(files->context, fd, data, size, offset);
    if (written >= 0 && written != (ssize_t)size) {
        errno = ENOSPC;
        return -1;
    }
    return written < 0 ? -1 : 0;
}

int file_sync(const struct files *files, int fd) {
    files = or_machine(files);
    return files->ops->sync(files->context, fd, 0);
}

int file_sync_data(const struct files *files, int fd) {
    files = or_machine(files);
    return files->ops->sync(files->context, fd, 1);
}

int file_sync_directory(const struct files *files, const char *path) {
    int fd = file_open(files, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return -1;
    }
    int result = file_sync(files, fd);
    file_close(files, fd);
    return result;
}

int file_allocate(const struct files *files, int fd, uint64_t offset, uint64_t size) {
    files = or_machine(files);
    return files->ops->allocate(files->context, fd, offset, size);
}

int file_truncate(const struct files *files, int fd, uint64_t size) {
    files = or_machine(files);
    return files->ops->truncate(files->context, fd, size);
}

int file_rename(const struct files *files, const char *from, const char *to) {
    files = or_machine(files);
    return files->ops->rename(files->context, from, to);
}

int file_remove(const struct files *files, const char *path) {
    files = or_machine(files);
    return files->ops->remove(files->context, path);
}
