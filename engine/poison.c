/* poison.c - see poison.h. */
#include "engine/poison.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "engine/engine.h"

struct status poison_open(const char *path, struct poison *poison_out, struct fault *fault) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fault_set(fault, STATUS_IO, "cannot open %s: %s", path, strerror(errno));
    }
    /* With room of its own: a page that the disk has none for would end the process (SIGBUS). */
    bool has_room = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 64) == 0 || errno == EOPNOTSUPP;
    if (!has_room || ftruncate(fd, 64) != 0) {
        int error = errno;
        close(fd);
        return fault_set(fault, STATUS_IO, "cannot size %s: %s", path, strerror(error));
    }
    void *page = mmap(NULL, sizeof(struct poison_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int error = errno;
    close(fd);
    if (page == MAP_FAILED) {
        return fault_set(fault, STATUS_IO, "cannot map %s: %s", path, strerror(error));
    }
    *poison_out = (struct poison){.page = page};
    return status_ok();
}

void poison_close(struct poison *poison) {
    if (poison->page != NULL) {
        munmap(poison->page, sizeof(struct poison_page));
    }
    *poison = (struct poison){0};
}

bool poison_is_poisonous(const struct poison *poison, uint64_t seq) {
    ASSERT(poison->page != NULL);
    return poison->page->crashed_seq == seq && poison->page->crashes >= POISON_CRASHES_MAX;
}

struct status poison_map(const char *poison_path, struct poison_page **page_out,
                         struct fault *fault) {
    struct poison poison;
    TRY(poison_open(poison_path, &poison, fault));
    *page_out = poison.page;
    return status_ok();
}

void poison_mark_crash(struct poison_page *page) {
    if (page == NULL || page->applying_seq == 0) {
        return;
    }
    uint64_t before = page->crashed_seq == page->applying_seq ? page->crashes : 0;
    page->crashed_seq = page->applying_seq;
    page->crashes = before + 1;
}
