/* Bodies of any size through little memory, both ways. What may not be sent yet is refused with
 * HC_E_AGAIN until HC_EV_WRITABLE; what may not be received yet is not asked for with hc_recv.
 *
 *     03_upload_download [ADDRESS]
 *         GET /download/{n}     n bytes
 *         POST /upload          counts
 *         POST /copy            sends back what it gets, while it gets it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <httpcore/httpcore.h>

enum { DOWNLOAD = 1, UPLOAD = 2, COPY = 3 };
enum { TRANSFERS = 1024, WINDOW = 64 * 1024, EVENTS = 256 };

static char zeros[WINDOW];

/* One exchange that is under way. `window` holds what COPY received and could not send on: never
 * more than the credit that is out. */
struct transfer {
    hc_exchange exchange; /* 0: this place is free */
    uint32_t route;
    int ended;      /* the request's body is complete */
    uint64_t bytes; /* UPLOAD: counted; DOWNLOAD: still to send */
    size_t waiting; /* bytes in `window` */
    char window[WINDOW];
};

static struct transfer* transfers[TRANSFERS];

/* Exchange 0 finds a free place. There is always one: the queue is made for TRANSFERS exchanges. */
static struct transfer* find(hc_exchange exchange) {
    for (int i = 0; i < TRANSFERS; ++i) {
        if (transfers[i] == NULL && exchange == 0) transfers[i] = calloc(1, sizeof *transfers[i]);
        if (transfers[i] != NULL && transfers[i]->exchange == exchange) return transfers[i];
    }
    return NULL;
}

static void end(struct transfer* transfer) {
    hc_release(transfer->exchange);
    transfer->exchange = 0;
}

/* -- download: from our memory, lent and not copied ------------------------------------------- */

static void download(struct transfer* t) {
    while (t->bytes > 0) {
        const size_t n = t->bytes < WINDOW ? (size_t)t->bytes : WINDOW;
        const hc_status status = hc_send(t->exchange, zeros, n, HC_NOCOPY, 0);
        if (status == HC_E_AGAIN) return; /* HC_EV_WRITABLE comes */
        if (status != HC_OK) break;       /* the client left */
        t->bytes -= n;
    }
    hc_finish(t->exchange, NULL, 0);
    end(t);
}

static void begin_download(struct transfer* t) {
    const hc_head* head = NULL;
    char length[24] = "";
    if (hc_head_get(t->exchange, &head) != HC_OK || head->params[0].value.n >= sizeof length) {
        end(t);
        return;
    }
    memcpy(length, head->params[0].value.p, head->params[0].value.n);
    t->bytes = strtoull(length, NULL, 10);
    const int n = snprintf(length, sizeof length, "%llu", (unsigned long long)t->bytes);
    const hc_header field = {.name = {"content-length", 14}, .value = {length, (size_t)n}};
    hc_respond(t->exchange, 200, &field, 1, NULL, 0, 0, 0);
    if (head->method_token == HC_METHOD_HEAD) t->bytes = 0; /* the length was all it asked for */
    download(t);
}

/* -- upload: what was read is given back at once ----------------------------------------------- */

static void end_upload(struct transfer* t) {
    char text[32];
    const int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)t->bytes);
    hc_respond(t->exchange, 200, NULL, 0, text, (size_t)n, HC_FIN, 0);
    end(t);
}

/* -- copy: the client may send as much as it has read ------------------------------------------ */

static void pass_on(struct transfer* t, const char* bytes, size_t n) {
    if (t->waiting == 0 && hc_send(t->exchange, bytes, n, 0, 0) == HC_OK) {
        hc_recv(t->exchange, n);
    } else { /* keeps the order, too: behind bytes that wait come those that follow */
        memcpy(t->window + t->waiting, bytes, n);
        t->waiting += n;
    }
    hc_consume(t->exchange, n);
}

static void go_on(struct transfer* t) {
    if (t->waiting > 0 && hc_send(t->exchange, t->window, t->waiting, 0, 0) == HC_OK) {
        hc_recv(t->exchange, t->waiting);
        t->waiting = 0;
    }
    if (t->ended && t->waiting == 0) {
        hc_finish(t->exchange, NULL, 0);
        end(t);
    }
}

/* -- events ------------------------------------------------------------------------------------ */

static void on_request(const hc_event* event) {
    struct transfer* t = find(0);
    if (t == NULL) {
        hc_release(event->obj); /* no memory; answered 500 */
        return;
    }
    t->exchange = event->obj;
    t->route = event->n;
    t->ended = (event->flags & HC_EVF_END) != 0;
    t->bytes = 0;
    t->waiting = 0;
    if (t->route == DOWNLOAD) {
        begin_download(t);
        return;
    }
    hc_recv(t->exchange, t->route == COPY ? WINDOW : UINT64_MAX);
    if (t->route == COPY) hc_respond(t->exchange, 200, NULL, 0, NULL, 0, 0, 0);
    if (t->ended && t->route == COPY) go_on(t);
    else if (t->ended) end_upload(t);
}

static void on_body(struct transfer* t, const char* bytes, size_t n) {
    if (t->route == COPY) {
        pass_on(t, bytes, n);
    } else {
        t->bytes += n;
        hc_consume(t->exchange, n);
    }
}

static void on_event(const hc_event* event) {
    struct transfer* t = event->type == HC_EV_REQUEST ? NULL : find(event->obj);
    if (event->type == HC_EV_REQUEST) on_request(event);
    if (t == NULL) return; /* SENT of an exchange that is over; `zeros` never changes */
    switch (event->type) {
    case HC_EV_BODY: on_body(t, (const char*)(uintptr_t)event->data, event->n); break;
    case HC_EV_BODY_END:
        t->ended = 1;
        if (t->route == COPY) go_on(t);
        else end_upload(t);
        break;
    case HC_EV_WRITABLE:
        if (t->route == COPY) go_on(t);
        else download(t);
        break;
    case HC_EV_CLOSED: end(t); break;
    default: break;
    }
}

static hc_status add_route(hc_server* server, hc_queue* queue, const char* method,
                           const char* pattern, uint32_t route, hc_error** error) {
    const hc_status status = hc_server_route(server, method, pattern, route, error);
    return status == HC_OK ? hc_server_bind_queue(server, route, queue) : status;
}

int main(int argc, char** argv) {
    const char* address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_server* server = NULL;
    hc_queue* queue = NULL;
    hc_error* error = NULL;
    char where[128] = "";
    hc_event events[EVENTS];
    uint32_t n = 0;

    if (hc_config_create(&config) != HC_OK ||
        hc_config_set(config, "listen.address", address, strlen(address), &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_queue_create(runtime, TRANSFERS, &queue) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        add_route(server, queue, "GET", "/download/{n}", DOWNLOAD, &error) != HC_OK ||
        add_route(server, queue, "POST", "/upload", UPLOAD, &error) != HC_OK ||
        add_route(server, queue, "POST", "/copy", COPY, &error) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "03_upload_download: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("http://%s/\n", where);
    fflush(stdout);
    while (hc_queue_poll(queue, events, EVENTS, -1, &n) == HC_OK)
        for (uint32_t i = 0; i < n; ++i) on_event(&events[i]);
    return 1;
}
