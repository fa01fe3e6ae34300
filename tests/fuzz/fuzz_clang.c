/* fuzz_clang.c - libFuzzer's door; FUZZ_TARGET in the environment names the target. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_targets.h"

int LLVMFuzzerInitialize(int *count, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void (*target)(struct slice bytes);

int LLVMFuzzerInitialize(int *count, char ***words) {
    const char *name = getenv("FUZZ_TARGET");
    (void)count;
    (void)words;
    for (unsigned i = 0; name != NULL && i < fuzz_targets_count; i++) {
        target = strcmp(fuzz_targets[i].name, name) == 0 ? fuzz_targets[i].run : target;
    }
    if (target == NULL) {
        (void)fprintf(stderr, "FUZZ_TARGET names no target\n");
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    target(slice_of(data, size));
    return 0;
}
