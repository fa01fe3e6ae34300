/* zone_tool.c - "rule utc_seconds" a line on stdin, the offset or "bad" on stdout: for
 * zone_cases.py. */
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"
#include "schemas/zone.h"

int main(void) {
    char line[512];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        struct slice words = slice_of_text(line);
        words = slice_head(words, slice_find_byte(words, '\n'));
        size_t blank = slice_find_byte(words, ' ');
        struct slice rule = slice_head(words, blank);
        uint64_t utc_s = 0;
        bool is_good = status_is_ok(text_parse_u64(slice_tail(words, blank + 1), &utc_s)) &&
                       status_is_ok(zone_check(rule));
        if (is_good) {
            (void)printf("%lld\n", (long long)zone_offset_s(rule, (int64_t)utc_s));
        } else {
            (void)printf("bad\n");
        }
    }
    return 0;
}
