/* A server inside a program's own event loop: requests are gathered in a queue, whose descriptor
 * poll() watches beside everything else the program waits for (here: its clock).
 *
 *     02_queue [ADDRESS]      GET /hello/{name}, GET /ticks
 */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <httpcore/httpcore.h>

enum { ROUTE_HELLO = 1, ROUTE_TICKS = 2, EVENTS = 256 };

static unsigned long ticks; /* the program's other business: one a second */

static void respond_text(hc_exchange exchange, const char* text, size_t n) {
    static const hc_header type = {.name = {"content-type", 12},
                                   .value = {"text/plain; charset=utf-8", 25},
                                   .token = HC_FIELD_CONTENT_TYPE};
    if (hc_respond(exchange, 200, &type, 1, text, n, HC_FIN | HC_RELEASE, 0) != HC_OK)
        hc_release(exchange);
}

static void on_request(const hc_event* event) {
    char text[256];
    const hc_head* head = NULL;
    int n;
    if (event->n == ROUTE_TICKS) {
        n = snprintf(text, sizeof text, "%lu\n", ticks);
    } else if (hc_head_get(event->obj, &head) == HC_OK) {
        const hc_str name = head->params[0].value;
        n = snprintf(text, sizeof text, "Hello, %.*s!\n", name.n < 200 ? (int)name.n : 200, name.p);
    } else {
        hc_release(event->obj);
        return;
    }
    respond_text(event->obj, text, (size_t)n);
}

static void on_event(const hc_event* event) {
    switch (event->type) {
    case HC_EV_REQUEST: on_request(event); break;
    case HC_EV_CLOSED: hc_release(event->obj); break;
    default: break; /* what later versions add */
    }
}

/* Handles what is there, until the queue is empty and armed: then its descriptor tells. */
static void drain_queue(hc_queue* queue) {
    static hc_event events[EVENTS];
    uint32_t n = 0;
    do {
        hc_queue_poll(queue, events, EVENTS, 0, &n);
        for (uint32_t i = 0; i < n; ++i) on_event(&events[i]);
    } while (n > 0 || hc_queue_arm(queue) == HC_E_AGAIN);
}

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void run(hc_queue* queue) {
    struct pollfd watched = {.fd = (int)hc_queue_fd(queue), .events = POLLIN};
    long long next_tick = now_ms() + 1000;
    for (;;) {
        drain_queue(queue);
        const long long left = next_tick - now_ms();
        if (left <= 0) {
            ++ticks;
            next_tick += 1000;
        }
        poll(&watched, 1, left > 0 ? (int)left : 0);
    }
}

int main(int argc, char** argv) {
    const char* address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_server* server = NULL;
    hc_queue* queue = NULL;
    hc_error* error = NULL;
    char where[128] = "";

    if (hc_config_create(&config) != HC_OK ||
        hc_config_set(config, "listen.address", address, strlen(address), &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_queue_create(runtime, 0, &queue) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        hc_server_route(server, "GET", "/hello/{name}", ROUTE_HELLO, &error) != HC_OK ||
        hc_server_route(server, "GET", "/ticks", ROUTE_TICKS, &error) != HC_OK ||
        hc_server_bind_queue(server, ROUTE_HELLO, queue) != HC_OK ||
        hc_server_bind_queue(server, ROUTE_TICKS, queue) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "02_queue: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("http://%s/hello/you\n", where);
    fflush(stdout);
    run(queue);
    return 0;
}
