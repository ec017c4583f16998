#include <string.h>

#include "examples/c/demo.h"

hc_str str(const char* zero_terminated) {
    return (hc_str){zero_terminated, strlen(zero_terminated)};
}

hc_header field(uint32_t token, const char* name, const char* value) {
    return (hc_header){.name = str(name), .value = str(value), .token = token};
}

void answer(hc_exchange exchange, int status, const char* type, const char* bytes, size_t n) {
    const hc_header fields[] = {
        field(HC_FIELD_CONTENT_TYPE, "content-type", type),
    };
    const size_t count = n > 0 ? 1 : 0;
    if (hc_respond(exchange, status, fields, count, bytes, n, HC_FIN | HC_RELEASE, 0) != HC_OK)
        hc_release(exchange);
}

void answer_text(hc_exchange exchange, int status, const char* zero_terminated) {
    answer(exchange, status, "text/plain; charset=utf-8", zero_terminated, strlen(zero_terminated));
}

void answer_built(hc_exchange exchange, const char* type, struct text* text) {
    if (text->failed) {
        answer_text(exchange, 500, "There is not enough memory for this answer.\n");
    } else {
        answer(exchange, 200, type, text->p, text->n);
    }
    text_free(text);
}

hc_str head_value(const hc_head* head, uint32_t token) {
    for (uint32_t i = 0; i < head->nheaders; ++i)
        if (head->headers[i].token == token) return head->headers[i].value;
    return (hc_str){NULL, 0};
}

int parse_number(hc_str digits, uint64_t max, uint64_t* out) {
    uint64_t value = 0;
    if (digits.n == 0) return 0;
    for (size_t i = 0; i < digits.n; ++i) {
        if (digits.p[i] < '0' || digits.p[i] > '9') return 0;
        const uint64_t digit = (uint64_t)(digits.p[i] - '0');
        if (digit > max || value > (max - digit) / 10) return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}
