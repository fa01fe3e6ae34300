/* derive_mask_test.c - what of a message makes its error class. */
#include <inttypes.h>
#include <time.h>

#include "core/base/limits.h"
#include "core/base/text.h"
#include "schemas/derive.h"
#include "tests/base/unit.h"

static void messages_that_differ_in_numbers_ids_and_quotes_have_one_class(void **state) {
    static const char *const cases[][2] = {
        {"timeout after 30s", "timeout after #s"},
        {"user 'ann' at 0x7ffe12 not found", "user '' at # not found"},
        {"id 123e4567-e89b-12d3-a456-426614174000 gone", "id # gone"},
        {"2026-11-20T03:00:00.123Z connection lost", "# connection lost"},
        {"lost at 2026-11-20T03:00:00+02:00 and 03:00:00Z", "lost at # and #"},
        {"took 1:30+5 of Zone 12:30Zulu", "took #+# of Zone #Zulu"},
        {"disk sda1 full", "disk sda# full"},
        {"deadbeef, cafebabe01 and node-a1b2c3 went", "#, # and node-# went"},
        {"a decade of facades in the cafe-facade of b52",
         "a decade of facades in the cafe-facade of b#"},
        {"request a1b2c3d4-api failed", "request #-api failed"},
        {"trace 4bf92f3577b34da6-export failed", "trace #-export failed"},
        {"pod pay-7d9f8b6c5d-2xk4z and pay-7d9f8b6c5d-c2xkz", "pod pay-#-#xk#z and pay-#-c#xkz"},
        {"id a1b2c3- x", "id #- x"},
        {"decade-ago feed-back", "decade-ago feed-back"},
        {"2026-11-20-cache", "#-cache"},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "#"},
        {"10000000-20000000ms, 1-2ms, 12345678.5 and -12345678", "#ms, #ms, # and -#"},
        {"9.8e-05 of 1e+7, 0.00012, 2E10 and 1e", "# of #, #, # and #e"},
        {"bad reply \"{\\\"user\\\":\\\"bob\\\"}\" from", "bad reply '' from"},
        {"got {\\\"user\\\":\\\"bob\\\"} from \"x\"", "got {'':''} from ''"},
        {"p 'C:\\a\\' x", "p '' x"},
        {"token expired at Mon, 23 Nov 2026 06:53:05 GMT", "token expired at #, # # # # GMT"},
        {"token expired at Thursday, 3-Dec-26 16:53:05 GMT", "token expired at #, #-#-# # GMT"},
        {"Nov  3 06:53:05 disk full; Dec 13 16:53:05 disk full",
         "# # # disk full; # # # disk full"},
        {"Mon Nov 23 06:53:05 2026: lost on 3 Feb.", "# # # # #: lost on # #."},
        {"from 3-Feb-2026 to 23-Nov-2026", "from #-#-# to #-#-#"},
        {"ORA-1 at 23-NOV-26, [23/Nov/2026:06:53:05 +0000]", "ORA-# at #-#-#, [#/#/# +#]"},
        {"in May 2026 may 5 users", "in # # may # users"},
        {"Friday deploy of Marching 5 Mays failed", "Friday deploy of Marching # Mays failed"},
        {"user “ann” of «db» and ‘x’ can’t, „nie“", "user '' of '' and '' can’t, ''"},
        {"“open", "“open"},
        {"Datei »a1« fehlt in »b« kaputt", "Datei '' fehlt in '' kaputt"},
        {"« a » et « b », „c” i „d“", "'' et '', '' i ''"},
        {"‘can’t open’ file", "'' file"},
        {"span 12-FEB-9F3A12CD", "span #"},
        {"span 12-FAB-9F3A12CD", "span #"},
        {"{\"level\":\"error\",\"msg\":\"lost 3 of \\\"x\\\"\",\"error\":\"reset\"}",
         "lost # of ''"},
        {"{\"message\":\"\",\"error\":{\"code\":7,\"message\":\"quota\"}}", "quota"},
        {"{\"level\":\"error\", \"err\" : \"disk full\"", "disk full"},
        {"{\"rows\":17,\"err\":null,\"msg\":3}", "{'':#,'':null,'':#}"},
        {"{braces} are no object", "{braces} are no object"},
        {"{", "{"},
    };
    (void)state;
    struct arena arena;
    assert_status(arena_init(&arena, MIB), OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice masked;
        assert_status(derive_mask_message(slice_of_text(cases[i][0]), &arena, &masked), OK);
        assert_slice(masked, cases[i][1]);
    }
    arena_deinit(&arena);
}

/* A message of one piece again and again, then `end`: what masking it takes of the processor. */
static uint64_t masking_ns(const char *piece, char end) {
    static char message[MESSAGE_BYTES_MAX];
    char memory[ERROR_CLASS_BYTES_MAX + 1];
    struct timespec from;
    struct timespec to;
    size_t size = strlen(piece);
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = i + 1 < sizeof(message) ? piece[i % size] : end;
    }
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from), 0);
    for (int i = 0; i < 64; i++) {
        struct text masked = text_over(memory, sizeof(memory));
        assert_true(derive_mask_over(slice_of(message, sizeof(message)), &masked).size > 0);
    }
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to), 0);
    return (uint64_t)(to.tv_sec - from.tv_sec) * NS_PER_S + (uint64_t)to.tv_nsec -
           (uint64_t)from.tv_nsec;
}

static void a_message_of_near_misses_is_masked_in_little_time(void **state) {
    static const char hex[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaag";
    static const char *const pieces[] = {"-",    "1a",  "a-", "-1",  "1a-", "aaaaaaaa-",
                                         "1:1+", "1e-", "0x", "'\\", hex};
    (void)state;
    (void)masking_ns("warm ", '.');
    uint64_t plain_ns = masking_ns("no space is left on the device; ", '.');
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        uint64_t odd_ns = masking_ns(pieces[i], 'z');
        if (odd_ns > 200 * plain_ns) {
            fail_msg("%s: %" PRIu64 " ns, but %" PRIu64 " ns of prose", pieces[i], odd_ns,
                     plain_ns);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_that_differ_in_numbers_ids_and_quotes_have_one_class),
        cmocka_unit_test(a_message_of_near_misses_is_masked_in_little_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
