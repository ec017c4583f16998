/* Answers that are made in one go. */
#include <stdlib.h>
#include <string.h>

#include "examples/c/demo.h"

static const char html[] = "text/html; charset=utf-8";
static const char json[] = "application/json";

static const char index_page[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>libhttpcore demo server</title>\n"
    "<style>body{font:16px/1.5 sans-serif;max-width:44em;margin:2em auto;padding:0 1em}"
    "dt{font-family:monospace}</style>\n"
    "<h1>libhttpcore demo server</h1>\n"
    "<p>A C program that serves HTTP through the C interface of libhttpcore. For people, clients "
    "and test suites:</p>\n<dl>\n"
    "<dt><a href=\"/hello\">/hello</a><dd>a greeting\n"
    "<dt>/echo<dd>the request's body comes back, any method\n"
    "<dt>/upload<dd>POST or PUT: counts the body's bytes\n"
    "<dt><a href=\"/bytes/1024\">/bytes/N</a><dd>N bytes, with Content-Length\n"
    "<dt><a href=\"/stream/10\">/stream/N</a><dd>N chunks\n"
    "<dt><a href=\"/slow?ms=1000\">/slow?ms=N</a><dd>an answer after N milliseconds, up to 60000\n"
    "<dt><a href=\"/status/418\">/status/NNN</a><dd>that status, 200 to 599\n"
    "<dt><a href=\"/headers\">/headers</a><dd>the request as JSON\n"
    "<dt><a href=\"/trailers\">/trailers</a><dd>an answer with trailer fields; tells those it got\n"
    "<dt><a href=\"/chat\">/chat</a><dd>a chat by WebSocket, /ws/chat\n"
    "<dt><a href=\"/clock\">/clock</a><dd>a clock by server-sent events, /sse/clock\n"
    "<dt>/ws/echo<dd>a WebSocket that sends back what it is sent\n"
    "<dt><a href=\"/metrics\">/metrics</a><dd>counters for Prometheus\n";

static const char index_end[] = "</dl>\n</html>\n";

/* Only the request matters to these; a CLOSED can come only when an answer failed. */
static int is_request(const hc_event* event) {
    if (event->type == HC_EV_CLOSED) hc_release(event->obj);
    return event->type == HC_EV_REQUEST;
}

void serve_index(void* arg, const hc_event* event) {
    struct text page = {0};
    (void)arg;
    if (!is_request(event)) return;
    text_puts(&page, index_page);
    if (demo.folder >= 0)
        text_puts(&page, "<dt><a href=\"/files/\">/files/</a><dd>the files of a folder\n");
    text_puts(&page, index_end);
    answer_built(event->obj, html, &page);
}

void serve_hello(void* arg, const hc_event* event) {
    (void)arg;
    if (is_request(event)) answer_text(event->obj, 200, "Hello, world!\n");
}

void serve_status(void* arg, const hc_event* event) {
    const hc_head* head = NULL;
    uint64_t status = 0;
    char text[8] = "";
    (void)arg;
    if (!is_request(event)) return;
    if (hc_head_get(event->obj, &head) != HC_OK) {
        hc_release(event->obj);
        return;
    }
    const hc_str asked = head->params[0].value;
    if (asked.n != 3 || !parse_number(asked, 599, &status) || status < 200) {
        answer_text(event->obj, 400, "A status is a number from 200 to 599.\n");
        return;
    }
    memcpy(text, asked.p, 3);
    text[3] = '\n';
    /* These three have no content (RFC 9110, section 15). */
    const int bare = status == 204 || status == 205 || status == 304;
    answer_text(event->obj, (int)status, bare ? "" : text);
}

static void add_fields(struct text* out, const hc_header* fields, size_t n) {
    text_puts(out, "[");
    for (size_t i = 0; i < n; ++i) {
        text_puts(out, i > 0 ? ",[" : "[");
        text_json(out, fields[i].name);
        text_puts(out, ",");
        text_json(out, fields[i].value);
        text_puts(out, "]");
    }
    text_puts(out, "]");
}

/* Fields are an array of [name, value], because a name may come more than once and order counts. */
void serve_headers(void* arg, const hc_event* event) {
    struct text out = {0};
    const hc_head* head = NULL;
    (void)arg;
    if (!is_request(event)) return;
    if (hc_head_get(event->obj, &head) != HC_OK) {
        hc_release(event->obj);
        return;
    }
    text_puts(&out, "{\"method\":");
    text_json(&out, head->method);
    text_puts(&out, ",\"target\":");
    text_json(&out, head->target);
    text_printf(&out, ",\"protocol\":\"HTTP/%u.%u\"", head->version / 10, head->version % 10);
    text_puts(&out, ",\"headers\":");
    add_fields(&out, head->headers, head->nheaders);
    text_puts(&out, "}\n");
    answer_built(event->obj, json, &out);
}

void serve_metrics(void* arg, const hc_event* event) {
    char* text = NULL;
    size_t need = 0, cap = 0;
    hc_status status = HC_E_LIMIT;
    (void)arg;
    if (!is_request(event)) return;
    /* Counters grow, and with them the text, between asking for its length and for itself. */
    while (status == HC_E_LIMIT) {
        status = hc_metrics(demo.runtime, HC_METRICS_PROMETHEUS, text, cap, &need);
        if (status != HC_E_LIMIT) break;
        cap = need + 1024;
        char* larger = realloc(text, cap);
        if (larger == NULL) break;
        text = larger;
    }
    if (status == HC_OK) {
        answer(event->obj, 200, "text/plain; version=0.0.4", text, need);
    } else {
        answer_text(event->obj, 500, "There are no metrics.\n");
    }
    free(text);
}
