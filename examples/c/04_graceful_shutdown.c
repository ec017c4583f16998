/* SIGTERM ends this server politely: what runs is finished, nothing new is taken. A second signal
 * ends it the hard way.
 *
 *     04_graceful_shutdown [ADDRESS]      GET /slow: answers after two seconds
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <httpcore/httpcore.h>

enum { SECOND = 1000000000, SLOW = 1, DRAIN_TOKEN = 1, STOP_TOKEN = 2 };

static void on_event(hc_queue* queue, const hc_event* event) {
    const hc_exchange exchange = event->type == HC_EV_TIMER ? event->token : event->obj;
    switch (event->type) {
    case HC_EV_REQUEST: /* the timer's event carries the exchange in its token */
        if (hc_timer(queue, 2ULL * SECOND, exchange, NULL) == HC_OK) break;
        if (hc_respond(exchange, 503, NULL, 0, NULL, 0, HC_FIN | HC_RELEASE, 0) != HC_OK)
            hc_release(exchange);
        break;
    case HC_EV_TIMER: /* an exchange that has ended meanwhile is HC_E_GONE, which is fine */
        if (hc_respond(exchange, 200, NULL, 0, "done\n", 5, HC_FIN | HC_RELEASE, 0) != HC_OK)
            hc_release(exchange);
        break;
    case HC_EV_CLOSED: hc_release(exchange); break;
    default: break;
    }
}

/* Handles events until one of this type comes, and gives its number. */
static uint32_t serve_until(hc_queue* queue, uint32_t type) {
    hc_event event;
    uint32_t n = 0;
    for (;;) {
        if (hc_queue_poll(queue, &event, 1, -1, &n) != HC_OK || n == 0) continue;
        if (event.type == type) return event.n;
        on_event(queue, &event);
    }
}

/* A blocking job: the main thread is busy with the queue, this one only waits and then says so. */
static void wait_for_signal(void* signals) {
    int which = 0;
    sigwait(signals, &which);
}

static void serve(hc_runtime* runtime, hc_server* server, hc_queue* queue, sigset_t* signals) {
    if (hc_spawn_blocking(queue, wait_for_signal, signals, 0, NULL) != HC_OK) return;
    serve_until(queue, HC_EV_JOB);

    sigprocmask(SIG_UNBLOCK, signals, NULL); /* the next one ends the process */
    fprintf(stderr, "draining\n");
    hc_server_drain(server, queue, 5ULL * SECOND, 10ULL * SECOND, DRAIN_TOKEN);
    fprintf(stderr, "drained, %u connections were reset\n", serve_until(queue, HC_EV_DRAINED));
    hc_runtime_stop(runtime, queue, STOP_TOKEN);
    serve_until(queue, HC_EV_STOPPED);
    hc_runtime_join(runtime, -1);
}

int main(int argc, char** argv) {
    const char* address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_server* server = NULL;
    hc_queue* queue = NULL;
    hc_error* error = NULL;
    char where[128] = "";
    sigset_t signals; /* blocked in all threads, so that they wait for the one who asks for them */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    if (hc_config_create(&config) != HC_OK ||
        hc_config_set(config, "listen.address", address, strlen(address), &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_queue_create(runtime, 0, &queue) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        hc_server_route(server, "GET", "/slow", SLOW, &error) != HC_OK ||
        hc_server_bind_queue(server, SLOW, queue) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "04_graceful_shutdown: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("http://%s/slow\n", where);
    fflush(stdout);
    serve(runtime, server, queue, &signals);
    hc_server_release(server);
    hc_queue_release(queue);
    hc_runtime_release(runtime);
    hc_config_release(config);
    return 0;
}
