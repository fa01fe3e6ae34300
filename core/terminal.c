/* terminal.c - see terminal.h. */
#include "core/terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int terminal_open(int fd) {
    char path[40];
    if (!isatty(fd)) {
        return fd;
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int opened = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return opened >= 0 ? opened : fd;
}

void terminal_close(int opened, int fd) {
    if (opened != fd) {
        (void)close(opened);
    }
}
