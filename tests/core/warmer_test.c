/* warmer_test.c - memory is made by another thread while it is used. */
#include "core/warmer.h"

#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/limits.h"
#include "tests/base/unit.h"

static void what_is_written_meanwhile_stays(void **state) {
    struct warmer *warmer = NULL;
    struct arena arena = {0};
    (void)state;
    assert_status(arena_init(&arena, 16 * MIB), OK);
    uint8_t *memory = arena_allocate(&arena, 8 * MIB, 64);
    assert_status(warmer_open(&warmer), OK);
    warmer_submit(warmer, memory, 8 * MIB);
    for (size_t i = 0; i < 8 * MIB; i += 512) {
        memory[i] = 7;
    }
    while (warmer_is_busy(warmer)) {
        usleep(100);
    }
    for (size_t i = 0; i < 8 * MIB; i++) {
        assert_int_equal(memory[i], i % 512 == 0 ? 7 : 0);
    }
    warmer_submit(warmer, memory, 8 * MIB); /* closing ends it */
    warmer_close(warmer);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_written_meanwhile_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
