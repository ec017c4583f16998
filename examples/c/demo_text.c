#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/c/demo.h"

static int make_room(struct text* text, size_t n) {
    if (text->failed) return 0;
    if (n <= text->cap - text->n) return 1;
    const size_t cap = (text->n + n) * 2 + 256;
    char* p = realloc(text->p, cap);
    if (p == NULL) {
        text->failed = 1;
        return 0;
    }
    text->p = p;
    text->cap = cap;
    return 1;
}

void text_add(struct text* text, const char* bytes, size_t n) {
    if (n == 0 || !make_room(text, n)) return;
    memcpy(text->p + text->n, bytes, n);
    text->n += n;
}

void text_puts(struct text* text, const char* zero_terminated) {
    text_add(text, zero_terminated, strlen(zero_terminated));
}

void text_printf(struct text* text, const char* format, ...) {
    char buffer[512];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    if (n < 0) return;
    text_add(text, buffer, (size_t)n < sizeof buffer ? (size_t)n : sizeof buffer - 1);
}

void text_json(struct text* text, hc_str bytes) {
    text_puts(text, "\"");
    for (size_t i = 0; i < bytes.n; ++i) {
        const unsigned char c = (unsigned char)bytes.p[i];
        if (c < 0x20 || c >= 0x7f) {
            text_printf(text, "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') text_add(text, "\\", 1);
            text_add(text, &bytes.p[i], 1);
        }
    }
    text_puts(text, "\"");
}

void text_html(struct text* text, const char* bytes, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        switch (bytes[i]) {
        case '&': text_puts(text, "&amp;"); break;
        case '<': text_puts(text, "&lt;"); break;
        case '>': text_puts(text, "&gt;"); break;
        case '"': text_puts(text, "&quot;"); break;
        case '\'': text_puts(text, "&#39;"); break;
        default: text_add(text, &bytes[i], 1); break;
        }
    }
}

void text_segment(struct text* text, const char* bytes, size_t n) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < n; ++i) {
        if (memchr(plain, bytes[i], sizeof plain - 1) != NULL) {
            text_add(text, &bytes[i], 1);
        } else {
            text_printf(text, "%%%02X", (unsigned char)bytes[i]);
        }
    }
}

void text_free(struct text* text) {
    free(text->p);
    *text = (struct text){0};
}
