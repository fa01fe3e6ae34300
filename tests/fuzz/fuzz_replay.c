/*
 * fuzz_replay.c - the kept corpus as a plain test: each file as it is, and seeded mutations of it.
 *
 *   fuzz_replay target directory [mutations of each file [seed]]
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "tests/fuzz/fuzz_targets.h"

enum { FILE_BYTES_MAX = 1 << 20, MUTATIONS_IN_ALL = 3000 };

static uint64_t next_random(uint64_t *random) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* A flip, a byte, a copied piece, a cut: one to four of them. */
static size_t mutate(uint8_t *bytes, size_t size, uint64_t *random) {
    for (uint64_t count = 1 + next_random(random) % 4; count > 0 && size > 0; count--) {
        size_t at = next_random(random) % size;
        size_t from = next_random(random) % size;
        size_t piece = 1 + next_random(random) % 32;
        piece = piece > size - at ? size - at : piece;
        piece = piece > size - from ? size - from : piece;
        switch (next_random(random) % 4) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << (next_random(random) % 8));
            break;
        case 1:
            bytes[at] = (uint8_t)next_random(random);
            break;
        case 2:
            memmove(bytes + at, bytes + from, piece);
            break;
        default:
            size = next_random(random) % 4 == 0 ? at : size;
            break;
        }
    }
    return size;
}

/* In memory of exactly that size, so that a read past the end is seen. */
static void run_exact(void (*run)(struct slice bytes), const uint8_t *bytes, size_t size) {
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    ASSERT(exact != NULL);
    memcpy(exact, bytes, size);
    run(slice_of(exact, size));
    free(exact);
}

static void replay_file(void (*run)(struct slice bytes), const char *path, uint64_t mutations,
                        uint64_t *random) {
    static uint8_t original[FILE_BYTES_MAX];
    static uint8_t mutated[FILE_BYTES_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, original, sizeof(original));
    ASSERT(got >= 0);
    close(fd);
    run_exact(run, original, (size_t)got);
    for (uint64_t i = 0; i < mutations; i++) {
        memcpy(mutated, original, (size_t)got);
        size_t size = mutate(mutated, (size_t)got, random);
        run_exact(run, mutated, size);
    }
}

/* Files of the directory; each goes through `run`, unless that is NULL. */
static uint64_t replay_all(void (*run)(struct slice bytes), const char *directory,
                           uint64_t mutations, uint64_t *random) {
    uint64_t files = 0;
    DIR *stream = opendir(directory);
    if (stream == NULL) {
        return 0;
    }
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        char path[1024];
        (void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        bool is_file = entry->d_name[0] != '.';
        if (is_file && run != NULL) {
            replay_file(run, path, mutations, random);
        }
        files += is_file ? 1 : 0;
    }
    closedir(stream);
    return files;
}

int main(int count, char **words) {
    uint64_t random = count > 4 ? strtoull(words[4], NULL, 10) : 88172645463325252u;
    void (*run)(struct slice bytes) = NULL;
    for (unsigned i = 0; count > 2 && i < fuzz_targets_count; i++) {
        run = strcmp(fuzz_targets[i].name, words[1]) == 0 ? fuzz_targets[i].run : run;
    }
    uint64_t files = run == NULL ? 0 : replay_all(NULL, words[2], 0, NULL);
    if (files == 0) {
        (void)fprintf(stderr, "usage: fuzz_replay TARGET DIRECTORY [MUTATIONS [SEED]]\n");
        return 2;
    }
    uint64_t mutations = count > 3 ? strtoull(words[3], NULL, 10) : 1 + MUTATIONS_IN_ALL / files;
    (void)replay_all(run, words[2], mutations, &random);
    (void)printf("%s: %llu files, %llu mutations each\n", words[1], (unsigned long long)files,
                 (unsigned long long)mutations);
    return 0;
}
