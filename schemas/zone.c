/* zone.c - see zone.h. */
#include "schemas/zone.h"

#include "core/base/assert.h"

struct change {
    char kind; /* 'M', 'J' or 'n' */
    int month;
    int week;
    int day; /* of the week, or of the year */
    int64_t time_s;
};

struct rule {
    int64_t standard_s; /* east of Greenwich */
    int64_t summer_s;
    bool has_summer;
    struct change begin;
    struct change end;
};

struct scan {
    struct slice left;
    bool failed;
};

static uint8_t peek(const struct scan *scan) {
    return scan->left.size > 0 ? scan->left.data[0] : 0;
}

static bool take(struct scan *scan, uint8_t byte) {
    if (peek(scan) != byte || scan->left.size == 0) {
        return false;
    }
    scan->left = slice_tail(scan->left, 1);
    return true;
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static int take_number(struct scan *scan, int max) {
    int number = 0;
    scan->failed = scan->failed || !is_digit(peek(scan));
    while (is_digit(peek(scan)) && number <= max) {
        number = number * 10 + (peek(scan) - '0');
        scan->left = slice_tail(scan->left, 1);
    }
    scan->failed = scan->failed || number > max;
    return number;
}

/* "CET" or "<+03>" */
static void take_name(struct scan *scan) {
    size_t size = 0;
    if (take(scan, '<')) {
        size = slice_find_byte(scan->left, '>');
        scan->failed = scan->failed || size == scan->left.size;
        scan->left = slice_tail(scan->left, size + 1);
        return;
    }
    while (size < scan->left.size && ((scan->left.data[size] | 0x20) >= 'a') &&
           ((scan->left.data[size] | 0x20) <= 'z')) {
        size++;
    }
    scan->failed = scan->failed || size < 3;
    scan->left = slice_tail(scan->left, size);
}

/* [+-]hh[:mm[:ss]] */
static int64_t take_time(struct scan *scan) {
    bool is_minus = take(scan, '-');
    (void)(is_minus || take(scan, '+'));
    int64_t seconds = (int64_t)take_number(scan, 167) * 3600;
    if (take(scan, ':')) {
        seconds += (int64_t)take_number(scan, 59) * 60;
    }
    if (take(scan, ':')) {
        seconds += take_number(scan, 59);
    }
    return is_minus ? -seconds : seconds;
}

static struct change take_change(struct scan *scan) {
    struct change change = {.kind = 'n', .time_s = 7200};
    scan->failed = scan->failed || !take(scan, ',');
    if (take(scan, 'M')) {
        change.kind = 'M';
        change.month = take_number(scan, 12);
        scan->failed = scan->failed || !take(scan, '.');
        change.week = take_number(scan, 5);
        scan->failed = scan->failed || !take(scan, '.');
        change.day = take_number(scan, 6);
        scan->failed = scan->failed || change.month == 0 || change.week == 0;
    } else {
        change.kind = take(scan, 'J') ? 'J' : 'n';
        change.day = take_number(scan, 365);
    }
    if (take(scan, '/')) {
        change.time_s = take_time(scan);
    }
    return change;
}

static bool parse(struct slice words, struct rule *rule_out) {
    struct scan scan = {.left = words};
    struct rule rule = {0};
    take_name(&scan);
    rule.standard_s = -take_time(&scan); /* POSIX counts westwards */
    if (scan.left.size > 0) {
        rule.has_summer = true;
        take_name(&scan);
        rule.summer_s = peek(&scan) == ',' ? rule.standard_s + 3600 : -take_time(&scan);
        rule.begin = take_change(&scan);
        rule.end = take_change(&scan);
    }
    *rule_out = rule;
    return !scan.failed && scan.left.size == 0;
}

static bool is_leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days since 1970 of the first of January. */
static int64_t year_start(int64_t year) {
    int64_t before = year - 1;
    return 365 * (year - 1970) + (before / 4 - before / 100 + before / 400) - (492 - 19 + 4);
}

static int64_t year_of(int64_t utc_s) {
    int64_t day = utc_s / 86400;
    int64_t year = 1970 + day / 366;
    while (year_start(year + 1) <= day) {
        year++;
    }
    return year;
}

static int64_t month_start(int64_t year, int month) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    ASSERT(month >= 1 && month <= 12);
    return year_start(year) + before[month - 1] + (month > 2 && is_leap(year) ? 1 : 0);
}

/* Days since 1970 of the change in that year. */
static int64_t change_day(const struct change *change, int64_t year) {
    if (change->kind == 'n') {
        return year_start(year) + change->day;
    }
    if (change->kind == 'J') { /* 1 to 365: the 29th of February is never counted */
        return year_start(year) + change->day - 1 + (is_leap(year) && change->day > 59 ? 1 : 0);
    }
    int64_t first = month_start(year, change->month);
    int64_t next =
        change->month == 12 ? year_start(year + 1) : month_start(year, change->month + 1);
    int64_t day = first + (change->day - (first + 4) % 7 + 7) % 7 + INT64_C(7) * (change->week - 1);
    return day >= next ? day - 7 : day; /* week 5 is the last */
}

struct status zone_check(struct slice words) {
    struct rule rule;
    return parse(words, &rule) ? status_ok() : status_of(STATUS_INVALID);
}

int64_t zone_offset_s(struct slice words, int64_t utc_s) {
    struct rule rule;
    if (words.size == 0 || utc_s < 0 || !parse(words, &rule)) {
        return 0;
    }
    if (!rule.has_summer) {
        return rule.standard_s;
    }
    int64_t year = year_of(utc_s + rule.standard_s);
    int64_t begin = change_day(&rule.begin, year) * 86400 + rule.begin.time_s - rule.standard_s;
    int64_t end = change_day(&rule.end, year) * 86400 + rule.end.time_s - rule.summer_s;
    bool is_summer = begin < end ? utc_s >= begin && utc_s < end /* north */
                                 : utc_s >= begin || utc_s < end;
    return is_summer ? rule.summer_s : rule.standard_s;
}
