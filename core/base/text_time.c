/* text_time.c - RFC 3339 times and durations, both ways. Proleptic Gregorian, UTC, no leap seconds.
 */
#include "core/base/text.h"

#include "core/base/limits.h"

enum { YEAR_MIN = 1970, YEAR_MAX = 2261 };

/* Days since 1970-01-01, by counting from March so that the leap day is a year's last. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day) {
    int64_t shifted = month > 2 ? month - 3 : month + 9;
    int64_t y = month > 2 ? year : year - 1;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * shifted + 2) / 5 + day - 1 - 719468;
}

static void date_of_days(int64_t days, int64_t *year_out, int64_t *month_out, int64_t *day_out) {
    int64_t year = YEAR_MIN + days / 366;
    while (days_of_date(year + 1, 1, 1) <= days) {
        year++;
    }
    int64_t month = 1;
    while (month < 12 && days_of_date(year, month + 1, 1) <= days) {
        month++;
    }
    *year_out = year;
    *month_out = month;
    *day_out = days - days_of_date(year, month, 1) + 1;
}

void text_add_time(struct text *text, uint64_t time_ns, unsigned digits) {
    int64_t year;
    int64_t month;
    int64_t day;
    uint64_t in_day = time_ns % NS_PER_DAY;
    date_of_days((int64_t)(time_ns / NS_PER_DAY), &year, &month, &day);
    text_add_format(text, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, (int)month, (int)day,
                    (int)(in_day / NS_PER_HOUR), (int)(in_day / NS_PER_MINUTE % 60),
                    (int)(in_day / NS_PER_S % 60));
    uint64_t fraction = in_day % NS_PER_S;
    for (unsigned i = digits; i < 9; i++) {
        fraction /= 10;
    }
    if (digits > 0) {
        text_add_format(text, ".%0*llu", (int)digits, (unsigned long long)fraction);
    }
    text_add_char(text, 'Z');
}

struct scan {
    struct slice text;
    size_t at;
    bool failed;
};

static int64_t scan_digits(struct scan *scan, size_t count) {
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (scan->at >= scan->text.size || scan->text.data[scan->at] < '0' ||
            scan->text.data[scan->at] > '9') {
            scan->failed = true;
            return 0;
        }
        value = value * 10 + (scan->text.data[scan->at++] - '0');
    }
    return value;
}

static inline bool scan_one_of(struct scan *scan, const char *choices) {
    if (scan->failed || scan->at >= scan->text.size) {
        return false;
    }
    for (; *choices != 0; choices++) {
        if ((uint8_t)*choices == scan->text.data[scan->at]) {
            scan->at++;
            return true;
        }
    }
    return false;
}

static inline void scan_want(struct scan *scan, const char *choices) {
    if (!scan_one_of(scan, choices)) {
        scan->failed = true;
    }
}

static uint64_t scan_fraction(struct scan *scan) {
    uint64_t fraction = 0;
    uint64_t unit = NS_PER_S;
    size_t start = scan->at;
    while (scan->at < scan->text.size && scan->text.data[scan->at] >= '0' &&
           scan->text.data[scan->at] <= '9') {
        unit /= 10; /* digits beyond nanoseconds count nothing */
        fraction += unit * (uint64_t)(scan->text.data[scan->at++] - '0');
    }
    scan->failed = scan->failed || scan->at == start;
    return fraction;
}

/* Seconds east of UTC. */
static int64_t scan_offset(struct scan *scan) {
    if (scan_one_of(scan, "Zz")) {
        return 0;
    }
    bool is_west = scan_one_of(scan, "-");
    if (!is_west) {
        scan_want(scan, "+");
    }
    int64_t hours = scan_digits(scan, 2);
    scan_want(scan, ":");
    int64_t minutes = scan_digits(scan, 2);
    scan->failed = scan->failed || hours > 23 || minutes > 59;
    int64_t seconds = hours * 3600 + minutes * 60;
    return is_west ? -seconds : seconds;
}

static bool date_exists(int64_t year, int64_t month, int64_t day) {
    if (month < 1 || month > 12 || day < 1) {
        return false;
    }
    if (day <= 28) {
        return true;
    }
    int64_t next = month == 12 ? days_of_date(year + 1, 1, 1) : days_of_date(year, month + 1, 1);
    return day <= next - days_of_date(year, month, 1);
}

/* RFC 3339, section 5.6: date-time. A leap second counts as the second after it. */
static struct status parse_time(struct slice text, bool clamps, uint64_t *time_ns_out) {
    struct scan scan = {.text = text};
    int64_t year = scan_digits(&scan, 4);
    scan_want(&scan, "-");
    int64_t month = scan_digits(&scan, 2);
    scan_want(&scan, "-");
    int64_t day = scan_digits(&scan, 2);
    scan_want(&scan, "Tt ");
    int64_t hour = scan_digits(&scan, 2);
    scan_want(&scan, ":");
    int64_t minute = scan_digits(&scan, 2);
    scan_want(&scan, ":");
    int64_t second = scan_digits(&scan, 2);
    uint64_t fraction = scan_one_of(&scan, ".") ? scan_fraction(&scan) : 0;
    int64_t offset = scan_offset(&scan);
    if (scan.failed || scan.at != text.size || !date_exists(year, month, day) || hour > 23 ||
        minute > 59 || second > 60) {
        return status_of(STATUS_INVALID);
    }
    int64_t seconds =
        days_of_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    bool is_before = year < YEAR_MIN || seconds < 0;
    bool is_behind = year > YEAR_MAX;
    if (!clamps && (is_before || is_behind)) {
        return status_of(STATUS_INVALID);
    }
    *time_ns_out = is_before ? 0 : is_behind ? INT64_MAX : (uint64_t)seconds * NS_PER_S + fraction;
    return status_ok();
}

struct status text_parse_time(struct slice text, uint64_t *time_ns_out) {
    return parse_time(text, false, time_ns_out);
}

struct status text_parse_time_clamped(struct slice text, uint64_t *time_ns_out) {
    return parse_time(text, true, time_ns_out);
}

static const struct {
    const char *name;
    uint64_t ns;
} duration_units[] = {
    {"d", NS_PER_DAY}, {"h", NS_PER_HOUR}, {"m", NS_PER_MINUTE}, {"s", NS_PER_S}, {"ms", NS_PER_MS},
    {"us", NS_PER_US}, {"ns", 1},
};
enum { DURATION_UNITS_COUNT = sizeof(duration_units) / sizeof(duration_units[0]) };

void text_add_duration(struct text *text, uint64_t span_ns) {
    if (span_ns == 0) {
        text_add_text(text, "0s");
        return;
    }
    for (size_t i = 0; i < DURATION_UNITS_COUNT; i++) {
        uint64_t count = span_ns / duration_units[i].ns;
        if (count > 0) {
            text_add_u64(text, count);
            text_add_text(text, duration_units[i].name);
            span_ns -= count * duration_units[i].ns;
        }
    }
}

static struct status parse_unit(struct slice word, uint64_t *ns_out) {
    for (size_t i = 0; i < DURATION_UNITS_COUNT; i++) {
        if (slice_equals(word, slice_of_text(duration_units[i].name))) {
            *ns_out = duration_units[i].ns;
            return status_ok();
        }
    }
    return status_of(STATUS_INVALID);
}

static size_t run_of(struct slice text, size_t at, bool of_digits) {
    size_t end = at;
    while (end < text.size && (text.data[end] >= '0' && text.data[end] <= '9') == of_digits) {
        end++;
    }
    return end - at;
}

struct status text_parse_duration(struct slice text, uint64_t *span_ns_out) {
    uint64_t total = 0;
    size_t at = 0;
    if (slice_equals(text, SLICE("0"))) {
        *span_ns_out = 0;
        return status_ok();
    }
    if (text.size == 0) {
        return status_of(STATUS_INVALID);
    }
    while (at < text.size) {
        uint64_t count = 0;
        uint64_t unit = 0;
        size_t digits = run_of(text, at, true);
        TRY(text_parse_u64(slice_of(text.data + at, digits), &count));
        at += digits;
        size_t letters = run_of(text, at, false);
        TRY(parse_unit(slice_of(text.data + at, letters), &unit));
        at += letters;
        if (__builtin_mul_overflow(count, unit, &count) ||
            __builtin_add_overflow(total, count, &total)) {
            return status_of(STATUS_INVALID);
        }
    }
    *span_ns_out = total;
    return status_ok();
}
