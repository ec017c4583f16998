/* Execution models under load: every request takes 100 ms, in which nothing is computed.
 *
 *   bench_models_server blocking          the function sleeps on the one worker
 *   bench_models_server pool THREADS      it sleeps on one of so many threads of the server's pool
 *   bench_models_server events WORKERS    it asks for a timer and returns; a thread of our own
 *                                         answers when the timer's event comes
 *
 * One worker reads and writes unless told. Prints its port; ends at SIGTERM. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <httpcore/httpcore.h>

#define BATCH 256
#define WAIT_MS 100

static hc_queue* queue;

static void die(const char* what, hc_status status, hc_error* error) {
    fprintf(stderr, "%s: %s: %s\n", what, hc_status_name(status), hc_error_message(error));
    exit(1);
}

static void must(const char* what, hc_status status) {
    if (status != HC_OK) die(what, status, NULL);
}

static void set(hc_config* config, const char* key, const char* value) {
    hc_error* error = NULL;
    hc_status status = hc_config_set(config, key, value, strlen(value), &error);
    if (status != HC_OK) die(key, status, error);
}

/* An exchange may be gone before it is answered: its client left. */
static void answer(hc_exchange exchange) {
    static const hc_header headers[] = {
        {{"Content-Type", 12}, {"text/plain", 10}, HC_FIELD_CONTENT_TYPE, 0}};
    hc_status status = hc_respond(exchange, 200, headers, 1, "hello", 5, HC_FIN | HC_RELEASE, 0);
    if (status != HC_OK) hc_release(exchange);
}

static void sleep_and_answer(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_CLOSED) hc_release(event->obj);
    if (event->type != HC_EV_REQUEST) return;
    usleep(WAIT_MS * 1000);
    answer(event->obj);
}

static void answer_later(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_CLOSED) hc_release(event->obj);
    if (event->type != HC_EV_REQUEST) return;
    must("hc_timer", hc_timer(queue, WAIT_MS * UINT64_C(1000000), event->obj, NULL));
}

static void* consumer(void* arg) {
    hc_event events[BATCH];
    for (;;) {
        uint32_t n = 0;
        must("hc_queue_poll", hc_queue_poll(arg, events, BATCH, -1, &n));
        for (uint32_t i = 0; i < n; ++i) {
            if (events[i].type == HC_EV_TIMER && events[i].status == HC_OK) answer(events[i].token);
            else if (events[i].type == HC_EV_STOPPED) return NULL;
        }
    }
}

int main(int argc, char** argv) {
    const char* mode = argc > 1 ? argv[1] : "";
    const int events = argc == 3 && strcmp(mode, "events") == 0;
    const int pool = argc == 3 && strcmp(mode, "pool") == 0;
    if (!events && !pool && (argc != 2 || strcmp(mode, "blocking") != 0)) {
        fprintf(stderr, "usage: %s blocking | pool THREADS | events WORKERS\n", argv[0]);
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_server* server = NULL;
    hc_error* error = NULL;
    must("hc_config_create", hc_config_create(&config));
    set(config, "runtime.workers", events ? argv[2] : "1");
    set(config, "listen.address", "127.0.0.1:0");
    set(config, "server.execution", pool ? "pool" : "inline");
    if (pool) set(config, "server.pool_threads", argv[2]);
    set(config, "server.pool_queue_max", "10000"); /* all clients may wait */
    hc_status status = hc_runtime_create(config, &runtime, &error);
    if (status != HC_OK) die("hc_runtime_create", status, error);
    must("hc_queue_create", hc_queue_create(runtime, 0, &queue));
    status = hc_server_create(runtime, config, &server, &error);
    if (status != HC_OK) die("hc_server_create", status, error);
    must("hc_server_route", hc_server_route(server, "GET", "/", 1, NULL));
    const hc_inline handler = {.size = sizeof handler,
                               .on_event = events ? answer_later : sleep_and_answer};
    must("hc_server_bind_inline", hc_server_bind_inline(server, 1, &handler));
    status = hc_server_listen(server, config, &error);
    if (status != HC_OK) die("hc_server_listen", status, error);
    must("hc_config_release", hc_config_release(config));
    must("hc_runtime_start", hc_runtime_start(runtime));
    char address[64] = "";
    must("hc_server_address", hc_server_address(server, 0, address, sizeof address, NULL));
    printf("%s\n", strrchr(address, ':') + 1);
    fflush(stdout);

    pthread_t thread;
    int sig;
    if (pthread_create(&thread, NULL, consumer, queue) != 0) abort();
    sigwait(&signals, &sig);
    must("hc_runtime_stop", hc_runtime_stop(runtime, queue, 0));
    pthread_join(thread, NULL);
    must("hc_runtime_join", hc_runtime_join(runtime, 5 * (int64_t)1000000000));
    hc_server_release(server);
    hc_queue_release(queue);
    hc_runtime_release(runtime);
    return 0;
}
