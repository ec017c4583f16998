/* Functions that block, beside others that do not: "server.execution" hybrid runs those that are
 * marked on a pool of threads, and the rest on the worker, which reads and writes for all.
 *
 *     05b_blocking [ADDRESS]      GET /sleep/{ms}: answers behind a sleep; GET /metrics: at once
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <httpcore/httpcore.h>

static hc_runtime* runtime;

static void answer(hc_exchange exchange, const char* text, size_t n) {
    if (hc_respond(exchange, 200, NULL, 0, text, n, HC_FIN | HC_RELEASE, 0) != HC_OK)
        hc_release(exchange);
}

/* On the pool. It may as well ask a database. */
static void sleep_first(void* arg, const hc_event* event) {
    const hc_head* head = NULL;
    (void)arg;
    if (event->type == HC_EV_CLOSED) hc_release(event->obj);
    if (event->type != HC_EV_REQUEST || hc_head_get(event->obj, &head) != HC_OK) return;
    char ms[6] = "";
    snprintf(ms, sizeof ms, "%.*s", (int)head->params[0].value.n, head->params[0].value.p);
    usleep((useconds_t)strtoul(ms, NULL, 10) * 1000);
    answer(event->obj, "done\n", 5);
}

/* On the worker, also while all threads of the pool are busy: it says how many are. */
static void metrics(void* arg, const hc_event* event) {
    static char text[65536];
    size_t n = 0;
    (void)arg;
    if (event->type != HC_EV_REQUEST) return;
    if (hc_metrics(runtime, HC_METRICS_PROMETHEUS, text, sizeof text, &n) == HC_OK)
        answer(event->obj, text, n);
    else hc_release(event->obj);
}

int main(int argc, char** argv) {
    static const char options[] = "{\"server\": {\"execution\": \"hybrid\", \"pool_threads\": 4,"
                                  "             \"pool_queue_max\": 4}}";
    const char* address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    const hc_inline blocks = {
        .size = sizeof blocks, .on_event = sleep_first, .flags = HC_INLINE_BLOCKING};
    const hc_inline light = {.size = sizeof light, .on_event = metrics};
    hc_config* config = NULL;
    hc_server* server = NULL;
    hc_error* error = NULL;
    char where[128] = "";

    if (hc_config_create(&config) != HC_OK ||
        hc_config_load_json(config, options, sizeof options - 1, &error) != HC_OK ||
        hc_config_set(config, "listen.address", address, strlen(address), &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        hc_server_route(server, "GET", "/sleep/{ms}", 1, &error) != HC_OK ||
        hc_server_route(server, "GET", "/metrics", 2, &error) != HC_OK ||
        hc_server_bind_inline(server, 1, &blocks) != HC_OK ||
        hc_server_bind_inline(server, 2, &light) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "05b_blocking: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("http://%s/\n", where);
    fflush(stdout);
    return hc_runtime_join(runtime, -1) == HC_OK ? 0 : 1; /* for ever: nobody stops it */
}
