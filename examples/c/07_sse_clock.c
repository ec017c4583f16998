/* The time, once a second, as server-sent events; who reconnects gets what it missed.
 *
 *     07_sse_clock [ADDRESS]      127.0.0.1:8080 unless told; port 0 takes a free one
 *     curl -N http://127.0.0.1:8080/
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <httpcore/httpcore.h>

static void serve(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_CLOSED) hc_release(event->obj); /* the client left */
    if (event->type != HC_EV_REQUEST) return;
    /* The first event is the beginning of the answer; the rest comes by the topic. */
    if (hc_send_sse(event->obj, "hello", NULL, "", 0, 1000, 0, 0) != HC_OK ||
        hc_topic_subscribe(event->obj, "time", 4) != HC_OK)
        hc_release(event->obj);
}

static void tick(hc_server* server) {
    char text[64];
    const time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    const size_t n = strftime(text, sizeof text, "%H:%M:%S", &parts);
    hc_topic_publish(server, "time", 4, HC_WS_TEXT, text, n, 0);
}

int main(int argc, char** argv) {
    const char* address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    hc_inline handler = {.size = sizeof handler, .on_event = serve};
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_queue* queue = NULL;
    hc_server* server = NULL;
    hc_error* error = NULL;
    hc_event event;
    uint32_t n = 0;
    char where[128] = "";

    if (hc_config_create(&config) != HC_OK ||
        hc_config_set(config, "listen.address", address, strlen(address), &error) != HC_OK ||
        hc_config_set(config, "sse.replay_events", "60", 2, &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_queue_create(runtime, 0, &queue) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        hc_server_route(server, "GET", "/", 1, &error) != HC_OK ||
        hc_server_bind_inline(server, 1, &handler) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "07_sse_clock: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("http://%s/\n", where);
    fflush(stdout);
    for (;;) { /* for ever: nobody stops it */
        if (hc_timer(queue, 1000000000, 0, NULL) != HC_OK) return 1;
        if (hc_queue_poll(queue, &event, 1, -1, &n) != HC_OK) return 1;
        tick(server);
    }
}
