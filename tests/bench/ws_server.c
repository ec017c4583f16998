/* libhttpcore's WebSockets under test, as a C program sees them, on one worker:
 *
 *   /      answers "hello"
 *   /echo  sends every message back
 *   /sub   subscribes to a topic
 *   /pub   publishes what it is sent on that topic
 *
 *   bench_ws_server [CERTIFICATE KEY]     with files of a certificate and its key: encrypted
 *
 * All options but the number of workers have their defaults: limits, timeouts and pings are part
 * of the price. Prints its port; ends at SIGTERM. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <httpcore/httpcore.h>

enum route { HELLO = 1, ECHO = 2, SUBSCRIBE = 3, PUBLISH = 4 };

static const char topic[] = "news";
static hc_server* server;

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

static const char* bytes_of(const hc_event* event) { return (const char*)(uintptr_t)event->data; }

static void on_hello(void* arg, const hc_event* event) {
    static const hc_header headers[] = {
        {{"Content-Type", 12}, {"text/plain", 10}, HC_FIELD_CONTENT_TYPE, 0}};
    (void)arg;
    if (event->type != HC_EV_REQUEST) return;
    if (hc_respond(event->obj, 200, headers, 1, "hello", 5, HC_FIN | HC_RELEASE, 0) != HC_OK) {
        hc_release(event->obj);
    }
}

/* False when the request asks for no WebSocket; it is answered then. */
static int open_socket(hc_exchange exchange) {
    const hc_status status = hc_ws_accept(exchange, NULL, NULL, 0);
    if (status == HC_OK) {
        hc_recv(exchange, UINT64_MAX);
        return 1;
    }
    if (hc_ws_refuse(exchange, status, HC_RELEASE) != HC_OK) hc_release(exchange);
    return 0;
}

static void on_echo(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_WS_MESSAGE) {
        const int32_t opcode = (int32_t)event->aux[0];
        /* The load never sends more than the watermark without reading: AGAIN is an error here. */
        const hc_status status = hc_ws_send(event->obj, opcode, bytes_of(event), event->n, 0, 0);
        if (status != HC_OK && status != HC_E_CLOSED) hc_abort(event->obj, 0);
    } else if (event->type == HC_EV_REQUEST) {
        open_socket(event->obj);
    } else if (event->type == HC_EV_CLOSED) {
        hc_release(event->obj);
    }
}

static void on_subscriber(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_REQUEST) {
        if (!open_socket(event->obj)) return;
        must("hc_topic_subscribe", hc_topic_subscribe(event->obj, topic, sizeof topic - 1));
    } else if (event->type == HC_EV_CLOSED) {
        hc_release(event->obj);
    }
}

static void on_publisher(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_WS_MESSAGE) {
        must("hc_topic_publish", hc_topic_publish(server, topic, sizeof topic - 1, HC_WS_TEXT,
                                                  bytes_of(event), event->n, 0));
    } else if (event->type == HC_EV_REQUEST) {
        open_socket(event->obj);
    } else if (event->type == HC_EV_CLOSED) {
        hc_release(event->obj);
    }
}

static void serve(const char* path, uint32_t route, void (*on_event)(void*, const hc_event*)) {
    hc_error* error = NULL;
    const hc_inline handler = {.size = sizeof handler, .on_event = on_event};
    hc_status status = hc_server_route(server, "GET", path, route, &error);
    if (status != HC_OK) die("hc_server_route", status, error);
    must("hc_server_bind_inline", hc_server_bind_inline(server, route, &handler));
}

static hc_runtime* make(char** tls) {
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_error* error = NULL;
    must("hc_config_create", hc_config_create(&config));
    set(config, "runtime.workers", "1");
    set(config, "server.execution", "inline");
    set(config, "listen.address", "127.0.0.1:0");
    if (tls != NULL) {
        set(config, "tls.certificate_files", tls[0]);
        set(config, "tls.key_files", tls[1]);
    }
    hc_status status = hc_runtime_create(config, &runtime, &error);
    if (status != HC_OK) die("hc_runtime_create", status, error);
    status = hc_server_create(runtime, config, &server, &error);
    if (status != HC_OK) die("hc_server_create", status, error);
    serve("/", HELLO, on_hello);
    serve("/echo", ECHO, on_echo);
    serve("/sub", SUBSCRIBE, on_subscriber);
    serve("/pub", PUBLISH, on_publisher);
    status = hc_server_listen(server, config, &error);
    if (status != HC_OK) die("hc_server_listen", status, error);
    must("hc_config_release", hc_config_release(config));
    must("hc_runtime_start", hc_runtime_start(runtime));
    return runtime;
}

int main(int argc, char** argv) {
    char address[64] = "";
    sigset_t signals;
    int sig;
    if (argc != 1 && argc != 3) {
        fprintf(stderr, "usage: %s [CERTIFICATE KEY]\n", argv[0]);
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    hc_runtime* runtime = make(argc == 3 ? argv + 1 : NULL);
    must("hc_server_address", hc_server_address(server, 0, address, sizeof address, NULL));
    printf("%s\n", strrchr(address, ':') + 1);
    fflush(stdout);
    sigwait(&signals, &sig);
    must("hc_runtime_stop", hc_runtime_stop(runtime, NULL, 0));
    must("hc_runtime_join", hc_runtime_join(runtime, 5 * (int64_t)1000000000));
    hc_server_release(server);
    hc_runtime_release(runtime);
    return 0;
}
