/* One handler for every protocol: what the tests of this folder ask, in clear text and encrypted.
 * All of it runs on one worker. It prints two URLs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <httpcore/httpcore.h>

enum { WINDOW = 64 * 1024, PIECE = 16 * 1024 };

/* An exchange between two of its events. */
struct stream {
    hc_exchange exchange;
    uint32_t route;
    uint64_t left;  /* /bytes: to send */
    uint64_t read;  /* bytes of the request's body */
    size_t waiting; /* /echo: received and not sent on */
    int ended;
    struct stream* next;
    char window[WINDOW];
};

static struct stream* streams;
static char pattern[251 * 128];
static uint64_t accepted;      /* bytes of /bytes that were taken */
static uint64_t writables;     /* refusals that ended */
static hc_exchange stalled;    /* the last of /stall */
static uint64_t stalled_bytes; /* what it was given */
static int begun;              /* exchanges that did not end within their first event */
static int ends;               /* exchanges that ended by HC_EV_CLOSED */
static hc_status last_end;

static struct stream* open_stream(hc_exchange exchange, uint32_t route) {
    struct stream* stream = calloc(1, sizeof *stream);
    if (stream == NULL) abort();
    stream->exchange = exchange;
    stream->route = route;
    stream->next = streams;
    streams = stream;
    ++begun;
    return stream;
}

static struct stream* find_stream(hc_exchange exchange) {
    struct stream* stream = streams;
    while (stream != NULL && stream->exchange != exchange) stream = stream->next;
    return stream;
}

static void end_stream(struct stream* stream) {
    struct stream** place = &streams;
    while (*place != stream) place = &(*place)->next;
    *place = stream->next;
    hc_release(stream->exchange);
    free(stream);
}

static hc_header field(const char* name, const char* value) {
    return (hc_header){.name = {name, strlen(name)}, .value = {value, strlen(value)}};
}

static void answer(hc_exchange exchange, int32_t status, const char* text) {
    const hc_header type = field("content-type", "text/plain");
    hc_respond(exchange, status, &type, 1, text, strlen(text), HC_FIN | HC_RELEASE, 0);
}

static uint64_t parameter(const hc_head* head) {
    char digits[24] = "";
    if (head->nparams == 0 || head->params[0].value.n >= sizeof digits) return 0;
    memcpy(digits, head->params[0].value.p, head->params[0].value.n);
    return strtoull(digits, NULL, 10);
}

/* -- bodies ------------------------------------------------------------------------------------ */

static void go_on_bytes(struct stream* stream) {
    while (stream->left > 0) {
        const size_t n = stream->left < PIECE ? (size_t)stream->left : PIECE;
        const size_t at = (size_t)(stream->read % 251); /* of /bytes: what was sent */
        const hc_status status = hc_send(stream->exchange, pattern + at, n, 0, 0);
        if (status == HC_E_AGAIN) return;
        if (status != HC_OK) break;
        stream->left -= n;
        stream->read += n;
        accepted += n;
    }
    hc_finish(stream->exchange, NULL, 0);
    end_stream(stream);
}

static void go_on_echo(struct stream* stream) {
    if (stream->waiting > 0 &&
        hc_send(stream->exchange, stream->window, stream->waiting, 0, 0) == HC_OK) {
        hc_recv(stream->exchange, stream->waiting);
        stream->waiting = 0;
    }
    if (stream->ended && stream->waiting == 0) {
        hc_finish(stream->exchange, NULL, 0);
        end_stream(stream);
    }
}

static void on_body(struct stream* stream, const char* bytes, size_t n) {
    stream->read += n;
    if (stream->exchange == stalled) stalled_bytes += n;
    if (stream->route != 2) return;
    if (stream->waiting == 0 && hc_send(stream->exchange, bytes, n, 0, 0) == HC_OK) {
        hc_recv(stream->exchange, n);
        return;
    }
    memcpy(stream->window + stream->waiting, bytes, n);
    stream->waiting += n;
}

/* Sends the request's trailers back. */
static void answer_trailers(struct stream* stream) {
    char count[32];
    hc_header fields[16];
    const hc_header* trailers = NULL;
    size_t n = 0;
    hc_trailers_get(stream->exchange, &trailers, &n);
    if (n > 15) n = 15;
    snprintf(count, sizeof count, "%llu", (unsigned long long)stream->read);
    fields[0] = field("x-bytes", count);
    for (size_t i = 0; i < n; ++i) fields[i + 1] = trailers[i];
    hc_respond(stream->exchange, 200, NULL, 0, NULL, 0, 0, 0);
    hc_send(stream->exchange, "body", 4, 0, 0);
    hc_finish(stream->exchange, fields, n + 1);
    end_stream(stream);
}

static void on_end(struct stream* stream) {
    char text[64];
    stream->ended = 1;
    if (stream->route == 2) {
        go_on_echo(stream);
    } else if (stream->route == 5) {
        answer_trailers(stream);
    } else if (stream->route == 6 || stream->route == 7) {
        const hc_exchange exchange = stream->exchange;
        snprintf(text, sizeof text, "%llu", (unsigned long long)stream->read);
        answer(exchange, 200, text);
        end_stream(stream);
    }
}

/* -- heads ------------------------------------------------------------------------------------- */

static void answer_facts(hc_exchange exchange, const hc_head* head) {
    char text[1024];
    snprintf(text, sizeof text, "%.*s %.*s %.*s %.*s %u %.*s %.*s", (int)head->method.n,
             head->method.p, (int)head->scheme.n, head->scheme.p, (int)head->path.n, head->path.p,
             (int)head->query.n, head->query.p, head->version, (int)head->tls_version.n,
             head->tls_version.p, (int)head->tls_protocol.n, head->tls_protocol.p);
    answer(exchange, 200, text);
}

static void answer_state(hc_exchange exchange) {
    char text[256];
    int open = 0;
    for (const struct stream* stream = streams; stream != NULL; stream = stream->next) ++open;
    snprintf(text, sizeof text,
             "{\"accepted\": %llu, \"writables\": %llu, \"stalled\": %llu, "
             "\"open\": %d, \"begun\": %d, \"ends\": %d, \"last_end\": %d}",
             (unsigned long long)accepted, (unsigned long long)writables,
             (unsigned long long)stalled_bytes, open, begun, ends, (int)last_end);
    answer(exchange, 200, text);
}

static void answer_hints(hc_exchange exchange) {
    const hc_header link = field("link", "</style.css>; rel=preload; as=style");
    hc_respond(exchange, 103, &link, 1, NULL, 0, HC_INTERIM, 0);
    hc_respond(exchange, 103, &link, 1, NULL, 0, HC_INTERIM, 0);
    answer(exchange, 200, "hinted");
}

/* Fewer bytes than announced: only a reset tells. */
static void answer_short(hc_exchange exchange) {
    const hc_header length = field("content-length", "100");
    hc_respond(exchange, 200, &length, 1, "0123456789", 10, 0, 0);
    hc_finish(exchange, NULL, 0);
    hc_release(exchange);
}

/* As many promises as asked for; the answer says what became of each. */
static void answer_push(hc_exchange exchange, const hc_head* head) {
    const hc_header accept = field("accept", "*/*");
    char text[1024] = "", path[64];
    size_t n = 0;
    if ((head->flags & HC_HEADF_PUSHED) != 0) abort(); /* none of the paths above is this one */
    for (uint64_t left = parameter(head); left > 0 && n + 8 < sizeof text; --left) {
        const int size = snprintf(path, sizeof path, "/bytes/1000000?%d", (int)left);
        const hc_status status = hc_push(exchange, HC_METHOD_GET, path, (size_t)size, &accept, 1);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%d", n > 0 ? " " : "", (int)status);
    }
    answer(exchange, 200, text);
}

static void begin_bytes(hc_exchange exchange, const hc_head* head, int ended) {
    struct stream* stream = open_stream(exchange, 3);
    stream->left = parameter(head);
    stream->ended = ended;
    hc_respond(exchange, 200, NULL, 0, NULL, 0, 0, 0);
    go_on_bytes(stream);
}

static void begin_stream(hc_exchange exchange, uint32_t route, int ended) {
    struct stream* stream = open_stream(exchange, route);
    if (route == 2) hc_respond(exchange, 200, NULL, 0, NULL, 0, 0, 0);
    if (route == 7) {
        stalled = exchange;
        stalled_bytes = 0;
    }
    if (route == 10) { /* aborted in the middle */
        hc_respond(exchange, 200, NULL, 0, pattern, 1000, 0, 0);
        hc_abort(exchange, 8); /* CANCEL, where there are codes */
        return;
    }
    hc_recv(exchange, route == 7 ? 1000 : route == 2 ? WINDOW : UINT64_MAX);
    if (ended) on_end(stream);
}

static void on_request(const hc_event* event) {
    const int ended = (event->flags & HC_EVF_END) != 0;
    const hc_head* head = NULL;
    if (hc_head_get(event->obj, &head) != HC_OK) abort();
    switch (event->n) {
    case 1: answer(event->obj, 200, "Hello, world!\n"); break;
    case 3: begin_bytes(event->obj, head, ended); break;
    case 4: answer_hints(event->obj); break;
    case 8: /* goes on with /stall */
        hc_recv(stalled, UINT64_MAX);
        answer(event->obj, 200, "resumed");
        break;
    case 11: answer_short(event->obj); break;
    case 12:
        hc_respond(event->obj, (int32_t)parameter(head), NULL, 0, NULL, 0, HC_FIN | HC_RELEASE, 0);
        break;
    case 13: answer(event->obj, 200, "early"); break; /* the body is not read */
    case 14: answer_facts(event->obj, head); break;
    case 15: answer_state(event->obj); break;
    case 16: hc_release(event->obj); break; /* nobody answers */
    case 17: answer_push(event->obj, head); break;
    default: begin_stream(event->obj, event->n, ended); break;
    }
}

static void on_event(void* arg, const hc_event* event) {
    struct stream* stream = NULL;
    (void)arg;
    if (event->type == HC_EV_REQUEST) {
        on_request(event);
        return;
    }
    stream = find_stream(event->obj);
    if (stream == NULL) return;
    switch (event->type) {
    case HC_EV_BODY: on_body(stream, (const char*)(uintptr_t)event->data, event->n); break;
    case HC_EV_BODY_END: on_end(stream); break;
    case HC_EV_WRITABLE:
        ++writables;
        if (stream->route == 2) go_on_echo(stream);
        else go_on_bytes(stream);
        break;
    case HC_EV_CLOSED:
        ++ends;
        last_end = event->status;
        end_stream(stream);
        break;
    default: break;
    }
}

/* -- start ------------------------------------------------------------------------------------- */

static const struct {
    const char* pattern;
    uint32_t number;
} routes[] = {
    {"/hello", 1},   {"/echo", 2},        {"/bytes/{n}", 3}, {"/hints", 4},  {"/trailers", 5},
    {"/count", 6},   {"/stall", 7},       {"/resume", 8},    {"/wait", 9},   {"/abort", 10},
    {"/short", 11},  {"/status/{n}", 12}, {"/early", 13},    {"/facts", 14}, {"/state", 15},
    {"/nobody", 16}, {"/push/{n}", 17},
};

static hc_status start(int argc, char** argv, hc_runtime** runtime, hc_server** server,
                       hc_error** error) {
    static const char address[] = "127.0.0.1:0", names[] = "localhost,127.0.0.1";
    const hc_inline handler = {.size = sizeof handler, .on_event = on_event};
    hc_config* config = NULL;
    hc_status status = hc_config_create(&config);
    for (int i = 1; status == HC_OK && i + 1 < argc; i += 2)
        status = hc_config_set(config, argv[i], argv[i + 1], strlen(argv[i + 1]), error);
    if (status == HC_OK)
        status = hc_config_set(config, "listen.address", address, strlen(address), error);
    if (status == HC_OK) status = hc_runtime_create(config, runtime, error);
    if (status == HC_OK) status = hc_server_create(*runtime, config, server, error);
    for (size_t i = 0; status == HC_OK && i < sizeof routes / sizeof routes[0]; ++i) {
        status = hc_server_route(*server, NULL, routes[i].pattern, routes[i].number, error);
        if (status == HC_OK) status = hc_server_bind_inline(*server, routes[i].number, &handler);
    }
    if (status == HC_OK) status = hc_server_listen(*server, config, error);
    if (status == HC_OK)
        status = hc_config_set(config, "tls.self_signed", names, strlen(names), error);
    if (status == HC_OK) status = hc_server_listen(*server, config, error);
    if (status == HC_OK) status = hc_runtime_start(*runtime);
    hc_config_release(config);
    return status;
}

int main(int argc, char** argv) {
    hc_runtime* runtime = NULL;
    hc_server* server = NULL;
    hc_error* error = NULL;
    for (size_t i = 0; i < sizeof pattern; ++i) pattern[i] = (char)(i % 251);
    if (start(argc, argv, &runtime, &server, &error) != HC_OK) {
        fprintf(stderr, "exchange_server: %s\n", hc_error_message(error));
        return 1;
    }
    for (uint32_t i = 0; i < 2; ++i) {
        char where[128] = "";
        hc_server_address(server, i, where, sizeof where, NULL);
        printf("%s://%s/\n", i == 0 ? "http" : "https", where);
    }
    fflush(stdout);
    while (getchar() != EOF) {} /* until the test ends */
    hc_runtime_stop(runtime, NULL, 0);
    hc_runtime_join(runtime, -1);
    hc_server_release(server);
    hc_runtime_release(runtime);
    return 0;
}
