/* libhttpcore under test, as a C program sees it: answers every request with "hello".
 *
 *   bench_h1_server inline    the answer is given in a callback on the worker
 *   bench_h1_server queue     a worker delivers to a queue, one thread of our own consumes it
 *   bench_h1_server pool      the same function as inline, on a thread of the server's pool
 *   bench_h1_server driven    no thread but this one: poll(), turn, consume, flush
 *
 * It speaks HTTP/2 as well, with prior knowledge. A second argument is "runtime.io"; a third and a
 * fourth are the files of a certificate and its key, with which it is encrypted. All other options
 * but the number of workers have their defaults: limits and timeouts are part of the price. Prints
 * its port; ends at SIGTERM. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include <httpcore/httpcore.h>

#define BATCH 256

struct program {
    hc_runtime* runtime;
    hc_server* server;
    hc_queue* queue; /* stays NULL inline and on a pool */
};

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

static void on_event(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_REQUEST) answer(event->obj);
}

/* Handles one batch. False when the runtime has stopped. */
static int consume(hc_queue* queue, int64_t timeout_ns) {
    hc_event events[BATCH];
    uint32_t n = 0;
    do {
        must("hc_queue_poll", hc_queue_poll(queue, events, BATCH, timeout_ns, &n));
        for (uint32_t i = 0; i < n; ++i) {
            if (events[i].type == HC_EV_REQUEST) answer(events[i].obj);
            else if (events[i].type == HC_EV_CLOSED) hc_release(events[i].obj);
            else if (events[i].type == HC_EV_STOPPED) return 0;
        }
    } while (n == BATCH);
    return 1;
}

static void* consumer(void* arg) {
    while (consume(arg, -1)) {}
    return NULL;
}

static void make(struct program* p, const char* mode, const char* io, char** tls) {
    hc_config* config = NULL;
    hc_error* error = NULL;
    must("hc_config_create", hc_config_create(&config));
    set(config, "runtime.workers", strcmp(mode, "driven") == 0 ? "0" : "1");
    set(config, "runtime.io", io);
    set(config, "server.execution", strcmp(mode, "pool") == 0 ? "pool" : "inline");
    set(config, "listen.address", "127.0.0.1:0");
    if (tls != NULL) {
        set(config, "tls.certificate_files", tls[0]);
        set(config, "tls.key_files", tls[1]);
    }
    hc_status status = hc_runtime_create(config, &p->runtime, &error);
    if (status != HC_OK) die("hc_runtime_create", status, error);
    status = hc_server_create(p->runtime, config, &p->server, &error);
    if (status != HC_OK) die("hc_server_create", status, error);
    status = hc_server_route(p->server, "GET", "/", 1, &error);
    if (status != HC_OK) die("hc_server_route", status, error);
    if (strcmp(mode, "inline") == 0 || strcmp(mode, "pool") == 0) {
        hc_inline handler = {.size = sizeof handler, .on_event = on_event};
        must("hc_server_bind_inline", hc_server_bind_inline(p->server, 1, &handler));
    } else {
        must("hc_queue_create", hc_queue_create(p->runtime, 0, &p->queue));
        must("hc_server_bind_queue", hc_server_bind_queue(p->server, 1, p->queue));
    }
    status = hc_server_listen(p->server, config, &error);
    if (status != HC_OK) die("hc_server_listen", status, error);
    must("hc_config_release", hc_config_release(config));
    must("hc_runtime_start", hc_runtime_start(p->runtime));
}

static void print_port(const struct program* p) {
    char address[64] = "";
    must("hc_server_address", hc_server_address(p->server, 0, address, sizeof address, NULL));
    printf("%s\n", strrchr(address, ':') + 1);
    fflush(stdout);
}

/* The host's own loop: it watches a descriptor of its own beside that of the runtime. */
static void drive(const struct program* p, const sigset_t* signals) {
    struct pollfd watched[2] = {
        {.fd = (int)hc_runtime_fd(p->runtime), .events = POLLIN},
        {.fd = signalfd(-1, signals, SFD_CLOEXEC), .events = POLLIN},
    };
    for (;;) {
        if (poll(watched, 2, -1) < 0) continue;
        if (watched[1].revents != 0) {
            must("hc_runtime_stop", hc_runtime_stop(p->runtime, p->queue, 0));
            watched[1].fd = -1;
            watched[1].revents = 0;
        }
        must("hc_runtime_turn", hc_runtime_turn(p->runtime, 0));
        if (!consume(p->queue, 0)) return;
        must("hc_runtime_flush", hc_runtime_flush(p->runtime));
    }
}

static void wait_and_stop(const struct program* p, const sigset_t* signals) {
    pthread_t thread;
    int sig;
    if (p->queue != NULL && pthread_create(&thread, NULL, consumer, p->queue) != 0) abort();
    sigwait(signals, &sig);
    must("hc_runtime_stop", hc_runtime_stop(p->runtime, p->queue, 0));
    if (p->queue != NULL) pthread_join(thread, NULL);
}

int main(int argc, char** argv) {
    const char* mode = argc == 2 || argc == 3 || argc == 5 ? argv[1] : "";
    if (strcmp(mode, "inline") != 0 && strcmp(mode, "pool") != 0 && strcmp(mode, "queue") != 0 &&
        strcmp(mode, "driven") != 0) {
        fprintf(stderr,
                "usage: %s inline|pool|queue|driven [auto|epoll|io_uring [CERTIFICATE "
                "KEY]]\n",
                argv[0]);
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    struct program p = {NULL, NULL, NULL};
    make(&p, mode, argc >= 3 ? argv[2] : "auto", argc == 5 ? argv + 3 : NULL);
    print_port(&p);
    if (strcmp(mode, "driven") == 0) drive(&p, &signals);
    else wait_and_stop(&p, &signals);
    must("hc_runtime_join", hc_runtime_join(p.runtime, 5 * (int64_t)1000000000));
    hc_server_release(p.server);
    hc_queue_release(p.queue);
    hc_runtime_release(p.runtime);
    return 0;
}
