/* A server without a thread of its own: the program's event loop drives it. poll() watches the
 * runtime's descriptor; a turn reads what came and fills the queue, a flush writes the answers.
 *
 *     02b_driven [ADDRESS]    GET /hello/{name}, GET /ticks
 */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <httpcore/httpcore.h>

enum { ROUTE_HELLO = 1, ROUTE_TICKS = 2, EVENTS = 256 };

static unsigned long ticks; /* the program's other business: one a second */

static void on_request(const hc_event* event) {
    char text[256];
    const hc_head* head = NULL;
    int n = 0;
    if (event->n == ROUTE_TICKS) {
        n = snprintf(text, sizeof text, "%lu\n", ticks);
    } else if (hc_head_get(event->obj, &head) == HC_OK) {
        const hc_str name = head->params[0].value;
        n = snprintf(text, sizeof text, "Hello, %.*s!\n", name.n < 200 ? (int)name.n : 200, name.p);
    }
    if (hc_respond(event->obj, 200, NULL, 0, text, (size_t)n, HC_FIN | HC_RELEASE, 0) != HC_OK)
        hc_release(event->obj);
}

/* What the descriptor asks for. All of it happens on this thread: the requests of one pass are
 * answered together, and with one write a connection. */
static hc_status turn(hc_runtime* runtime, hc_queue* queue) {
    static hc_event events[EVENTS];
    uint32_t n = 0;
    const hc_status status = hc_runtime_turn(runtime, 0);
    if (status != HC_OK) return status;
    while (hc_queue_poll(queue, events, EVENTS, 0, &n) == HC_OK && n > 0) {
        for (uint32_t i = 0; i < n; ++i) {
            if (events[i].type == HC_EV_REQUEST) on_request(&events[i]);
            if (events[i].type == HC_EV_CLOSED) hc_release(events[i].obj);
        }
    }
    return hc_runtime_flush(runtime);
}

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static hc_status run(hc_runtime* runtime, hc_queue* queue) {
    struct pollfd watched = {.fd = (int)hc_runtime_fd(runtime), .events = POLLIN};
    long long next_tick = now_ms() + 1000;
    hc_status status = HC_OK;
    while (status == HC_OK) {
        const long long left = next_tick - now_ms();
        if (left <= 0) {
            ++ticks;
            next_tick += 1000;
        }
        if (poll(&watched, 1, left > 0 ? (int)left : 0) > 0) status = turn(runtime, queue);
    }
    return status;
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
        hc_config_set(config, "runtime.workers", "0", 1, &error) != HC_OK ||
        hc_config_set(config, "listen.address", address, strlen(address), &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_queue_create(runtime, 0, &queue) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        hc_server_route(server, "GET", "/hello/{name}", ROUTE_HELLO, &error) != HC_OK ||
        hc_server_route(server, "GET", "/ticks", ROUTE_TICKS, &error) != HC_OK ||
        hc_server_bind_queue(server, ROUTE_HELLO, queue) != HC_OK ||
        hc_server_bind_queue(server, ROUTE_TICKS, queue) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "02b_driven: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("http://%s/hello/you\n", where);
    fflush(stdout);
    fprintf(stderr, "02b_driven: %s\n", hc_status_name(run(runtime, queue)));
    return 1;
}
