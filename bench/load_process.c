/* load_process.c - what the kernel says of the server's process (Linux proc(5)). */
#include "bench/load_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/text.h"

static struct slice read_file(uint32_t pid, const char *name, char *memory, size_t size) {
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
    FILE *file = fopen(path, "re");
    size_t got = file == NULL ? 0 : fread(memory, 1, size, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    return slice_of(memory, got);
}

static struct slice take_word(struct slice *rest) {
    size_t end = slice_find_byte(*rest, ' ');
    struct slice word = slice_head(*rest, end);
    *rest = slice_tail(*rest, end + 1);
    return word;
}

/* Fields 14 and 15 of /proc/pid/stat, counted behind the name, which may hold blanks. */
static double read_cpu_seconds(uint32_t pid) {
    enum { FIELDS_BEFORE_TIMES = 11 };
    char memory[1024];
    struct slice rest = read_file(pid, "stat", memory, sizeof(memory));
    const uint8_t *name_end = memrchr(rest.data, ')', rest.size);
    if (name_end == NULL) {
        return 0;
    }
    rest = slice_tail(rest, (size_t)(name_end - rest.data) + 2);
    for (int i = 0; i < FIELDS_BEFORE_TIMES; i++) {
        (void)take_word(&rest);
    }
    uint64_t user = 0;
    uint64_t system = 0;
    if (!status_is_ok(text_parse_u64(take_word(&rest), &user)) ||
        !status_is_ok(text_parse_u64(take_word(&rest), &system))) {
        return 0;
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t read_resident_bytes_max(uint32_t pid) {
    char memory[4096];
    struct slice rest = read_file(pid, "status", memory, sizeof(memory));
    while (!slice_is_empty(rest)) {
        size_t end = slice_find_byte(rest, '\n');
        struct slice line = slice_head(rest, end);
        if (slice_starts_with(line, SLICE("VmHWM:"))) {
            struct slice value = slice_tail(line, 6);
            while (value.size > 0 && (value.data[0] == '\t' || value.data[0] == ' ')) {
                value = slice_tail(value, 1);
            }
            uint64_t kibibytes = 0;
            struct status status = text_parse_u64(take_word(&value), &kibibytes);
            return status_is_ok(status) ? kibibytes * 1024 : 0;
        }
        rest = slice_tail(rest, end + 1);
    }
    return 0;
}

struct load_usage load_process_read(uint32_t pid) {
    return (struct load_usage){read_cpu_seconds(pid), read_resident_bytes_max(pid)};
}
