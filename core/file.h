/*
 * file.h - the seam through which journal and recovery touch the disk: calls that mean what the
 * system calls of their name mean, so that a test can put a disk that lies behind them.
 *
 * `struct files` is the machine, or a back-end of a test (tests/core/fault_disk.h) that tears
 * blocks, drops what was not synced, flips bits, says EIO or ENOSPC. The pointer NULL is the
 * machine. Only writes of the running journal go another way, through the loop, which asks the same
 * back-end when it is not the machine. LMDB does its own I/O: what it left on the disk is checked
 * page by page before it is used (store_check.h).
 *
 * Results and errno are those of the system call: -1 with errno. Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct file_ops {
    int (*open)(void *context, const char *path, int flags);
    void (*close)(void *context, int fd);
    ssize_t (*read_at)(void *context, int fd, void *data, size_t size, uint64_t offset);
    ssize_t (*write_at)(void *context, int fd, const void *data, size_t size, uint64_t offset);
    int (*sync)(void *context, int fd, int data_only);
    int (*allocate)(void *context, int fd, uint64_t offset, uint64_t size);
    int (*truncate)(void *context, int fd, uint64_t size);
    int (*rename)(void *context, const char *from, const char *to);
    int (*remove)(void *context, const char *path);
    /* May be NULL: the back-end does not know. */
    int64_t (*find_data)(void *context, int fd, uint64_t offset);
};

struct files {
    const struct file_ops *ops;
    void *context;
};

/* Made with mode 0600. */
int file_open(const struct files *files, const char *path, int flags);
void file_close(const struct files *files, int fd);
/* All that is there up to `size`: fewer only at the end of the file or where it cannot be read. */
size_t file_read(const struct files *files, int fd, void *data, size_t size, uint64_t offset);
/* Where something else than zeroes may stand next, at or behind the offset; UINT64_MAX: nowhere.
 * The offset itself where nobody knows. */
uint64_t file_find_data(const struct files *files, int fd, uint64_t offset);
/* All of it, or -1; a short write is ENOSPC. */
int file_write(const struct files *files, int fd, const void *data, size_t size, uint64_t offset);
/* fsync; of the data alone: fdatasync. */
int file_sync(const struct files *files, int fd);
int file_sync_data(const struct files *files, int fd);
/* fsync of a directory: the names in it. */
int file_sync_directory(const struct files *files, const char *path);
/* Allocated, zeroed room; where fallocate is unknown the C library writes the zeroes. */
int file_allocate(const struct files *files, int fd, uint64_t offset, uint64_t size);
int file_truncate(const struct files *files, int fd, uint64_t size);
int file_rename(const struct files *files, const char *from, const char *to);
int file_remove(const struct files *files, const char *path);
