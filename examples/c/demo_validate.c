/* Validators, preconditions and ranges of files: RFC 9110, sections 8.8, 13 and 14. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "examples/c/demo.h"

void validators_make(struct validators* made, uint64_t inode, uint64_t size, struct timespec when) {
    struct tm utc;
    snprintf(made->etag, sizeof made->etag, "\"%llx-%llx-%llx\"", (unsigned long long)inode,
             (unsigned long long)size,
             (unsigned long long)when.tv_sec * 1000000000U + (unsigned long long)when.tv_nsec);
    made->modified = when.tv_sec;
    gmtime_r(&made->modified, &utc);
    strftime(made->date, sizeof made->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
}

/* -- dates ------------------------------------------------------------------------------------- */

/* A date in one of the three formats of RFC 9110, section 5.6.7; 0 when it is none. */
static int parse_date(hc_str value, time_t* out) {
    static const char* const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                          "%a %b %e %H:%M:%S %Y"};
    char text[64];
    if (value.p == NULL || value.n >= sizeof text) return 0;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; ++i) {
        struct tm utc = {0};
        const char* end = strptime(text, formats[i], &utc);
        if (end == NULL || *end != '\0') continue;
        *out = timegm(&utc);
        return 1;
    }
    return 0;
}

/* -- tags -------------------------------------------------------------------------------------- */

/* One list of entity tags, "*" included. Weak comparison drops "W/", strong never matches it. */
static int list_has(hc_str list, const char* etag, int weak) {
    const size_t n = strlen(etag);
    const char* at = list.p;
    const char* end = list.p + list.n;
    while (at < end) {
        while (at < end && (*at == ' ' || *at == '\t' || *at == ',')) ++at;
        if (at < end && *at == '*') return 1;
        const int is_weak = end - at > 2 && at[0] == 'W' && at[1] == '/';
        if (is_weak) at += 2;
        if (at == end || *at != '"') return 0; /* no tag: nothing behind it can be told apart */
        const char* close = memchr(at + 1, '"', (size_t)(end - at) - 1);
        if (close == NULL) return 0;
        const size_t size = (size_t)(close - at) + 1;
        if ((weak || !is_weak) && size == n && memcmp(at, etag, n) == 0) return 1;
        at = close + 1;
    }
    return 0;
}

/* The lists of all fields of that name: 1 found, 0 not found, -1 there is no such field. */
static int lists_have(const hc_head* head, uint32_t token, const char* etag, int weak) {
    int found = -1;
    for (uint32_t i = 0; i < head->nheaders; ++i) {
        if (head->headers[i].token != token) continue;
        if (list_has(head->headers[i].value, etag, weak)) return 1;
        found = 0;
    }
    return found;
}

/* -- preconditions, in the order of section 13.2.2 --------------------------------------------- */

int validators_judge(const struct validators* current, const hc_head* head) {
    time_t date;
    const int match = lists_have(head, HC_FIELD_IF_MATCH, current->etag, 0);
    if (match == 0) return 412;
    if (match < 0 && parse_date(head_value(head, HC_FIELD_IF_UNMODIFIED_SINCE), &date) &&
        current->modified > date) {
        return 412;
    }
    const int none = lists_have(head, HC_FIELD_IF_NONE_MATCH, current->etag, 1);
    if (none == 1) return 304;
    if (none < 0 && parse_date(head_value(head, HC_FIELD_IF_MODIFIED_SINCE), &date) &&
        current->modified <= date) {
        return 304;
    }
    return 0;
}

/* -- ranges ------------------------------------------------------------------------------------ */

/* Digits from `*at` on; saturates, for a position beyond any file is as good as any other. */
static int read_position(const char** at, const char* end, uint64_t* out) {
    const char* begin = *at;
    uint64_t value = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        const uint64_t digit = (uint64_t)(**at - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    *out = value;
    return *at > begin;
}

/* 206, 416, or 200 for what is to be ignored: another unit, several ranges, no range at all. */
static int parse_range(hc_str value, uint64_t size, struct range* range) {
    const char* at = value.p;
    const char* end = value.p + value.n;
    uint64_t first = 0, last = UINT64_MAX;
    if (value.p == NULL || value.n < 7 || strncasecmp(at, "bytes=", 6) != 0) return 200;
    at += 6;
    const int has_first = read_position(&at, end, &first);
    if (at == end || *at++ != '-') return 200;
    const int has_last = read_position(&at, end, &last);
    if (at != end || (!has_first && !has_last) || (has_first && has_last && last < first)) {
        return 200;
    }
    if (!has_first) { /* the last so many bytes */
        if (last == 0) return 416;
        if (size == 0) return 200;
        first = last < size ? size - last : 0;
        last = size - 1;
    }
    if (first >= size) return 416;
    if (!has_last || last > size - 1) last = size - 1;
    range->first = first;
    range->length = last - first + 1;
    return 206;
}

/* A tag must be strong and the same; a date must be ours, and old enough that the file could not
 * have changed twice within that second (section 8.8.2.2). */
static int if_range_holds(const struct validators* current, hc_str value) {
    time_t date;
    if (value.n > 0 && (value.p[0] == '"' || value.p[0] == 'W'))
        return value.n == strlen(current->etag) && memcmp(value.p, current->etag, value.n) == 0;
    return parse_date(value, &date) && date == current->modified && time(NULL) > date + 1;
}

int range_judge(const struct validators* current, const hc_head* head, uint64_t size,
                struct range* range) {
    const hc_str condition = head_value(head, HC_FIELD_IF_RANGE);
    *range = (struct range){0, size};
    if (head->method_token != HC_METHOD_GET) return 200;
    if (condition.p != NULL && !if_range_holds(current, condition)) return 200;
    return parse_range(head_value(head, HC_FIELD_RANGE), size, range);
}
