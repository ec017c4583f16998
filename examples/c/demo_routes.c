#include "examples/c/demo.h"

/* `method` NULL: any. */
static const struct {
    const char* method;
    const char* pattern;
    handler* serve;
    int files; /* only when there is a folder */
} routes[] = {
    {"GET", "/", serve_index, 0},
    {"GET", "/hello", serve_hello, 0},
    {NULL, "/echo", serve_echo, 0},
    {"POST", "/upload", serve_upload, 0},
    {"PUT", "/upload", serve_upload, 0},
    {"GET", "/bytes/{n}", serve_bytes, 0},
    {"GET", "/stream/{n}", serve_stream, 0},
    {"GET", "/slow", serve_slow, 0},
    {NULL, "/status/{code}", serve_status, 0},
    {NULL, "/headers", serve_headers, 0},
    {NULL, "/trailers", serve_trailers, 0},
    {"GET", "/metrics", serve_metrics, 0},
    {NULL, "/ws/echo", serve_ws_echo, 0}, /* GET, and CONNECT over HTTP/2 */
    {NULL, "/ws/chat", serve_ws_chat, 0},
    {"GET", "/chat", serve_chat, 0},
    {"GET", "/sse/clock", serve_clock, 0},
    {"GET", "/clock", serve_clock_page, 0},
    {"GET", "/files/{path...}", serve_files, 1},
};

hc_status routes_add(hc_server* server, int files, hc_error** error) {
    for (uint32_t i = 0; i < sizeof routes / sizeof routes[0]; ++i) {
        if (routes[i].files && !files) continue;
        const hc_inline how = {.size = sizeof how, .on_event = routes[i].serve};
        hc_status status =
            hc_server_route(server, routes[i].method, routes[i].pattern, i + 1, error);
        if (status == HC_OK) status = hc_server_bind_inline(server, i + 1, &how);
        if (status != HC_OK) return status;
    }
    return HC_OK;
}
