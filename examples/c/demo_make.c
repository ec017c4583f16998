/* Answers of any length from little memory: /bytes/N and /stream/N. */
#include <stdio.h>
#include <string.h>

#include "examples/c/demo.h"

enum { BLOCK = 64 * 1024, LINE = 64 };

/* Lines of 64 bytes, so that the byte at an offset does not depend on how a body was cut. It is
 * lent with HC_NOCOPY and never changes, so it matters to nobody when it comes back. */
static char block[BLOCK];

void make_prepare(void) {
    for (size_t i = 0; i < BLOCK; ++i)
        block[i] = i % LINE == LINE - 1 ? '\n' : "0123456789abcdef"[i % LINE % 16];
}

static hc_status send_bytes(struct stream* stream) {
    hc_status status = HC_OK;
    while (stream->left > 0) {
        const size_t offset = stream->done % LINE;
        const size_t room = BLOCK - offset;
        const size_t n = stream->left < room ? (size_t)stream->left : room;
        status = hc_send(stream->exchange, block + offset, n, HC_NOCOPY, 0);
        if (status != HC_OK) break;
        stream->done += n;
        stream->left -= n;
    }
    return status;
}

static hc_status send_chunks(struct stream* stream) {
    hc_status status = HC_OK;
    char chunk[64];
    while (stream->left > 0) {
        const int n =
            snprintf(chunk, sizeof chunk, "chunk %llu\n", (unsigned long long)stream->done);
        status = hc_send(stream->exchange, chunk, (size_t)n, 0, 0);
        if (status != HC_OK) break;
        ++stream->done;
        --stream->left;
    }
    return status;
}

/* Sends until it is refused; HC_EV_WRITABLE goes on. */
static void go_on(struct stream* stream, hc_status (*send)(struct stream*)) {
    const hc_status status = send(stream);
    if (status == HC_E_AGAIN) return;
    if (status == HC_OK) hc_finish(stream->exchange, NULL, 0);
    stream_end(stream);
}

/* The number in the path; 0, and an answer, when there is none. */
static int begin(hc_exchange exchange, const hc_head** head, uint64_t* n) {
    if (hc_head_get(exchange, head) != HC_OK) {
        hc_release(exchange);
        return 0;
    }
    if (parse_number((*head)->params[0].value, INT64_MAX, n)) return 1;
    answer_text(exchange, 400, "The path must end in a decimal number.\n");
    return 0;
}

/* The head of the answer, and all else unless only the head was asked for. */
static void start(const hc_event* event, const hc_header* fields, size_t nfields, uint64_t n,
                  hc_status (*send)(struct stream*)) {
    struct stream* stream = stream_open(event->obj);
    if (stream == NULL) {
        answer_text(event->obj, 503, "There is not enough memory.\n");
        return;
    }
    stream->left = event->aux[0] == HC_METHOD_HEAD ? 0 : n;
    if (hc_respond(event->obj, 200, fields, nfields, NULL, 0, 0, 0) != HC_OK) {
        stream_end(stream);
        return;
    }
    go_on(stream, send);
}

static void serve(const hc_event* event, hc_status (*send)(struct stream*)) {
    struct stream* stream = stream_find(event->obj);
    if (stream == NULL) return; /* SENT of an exchange that is over */
    if (event->type == HC_EV_WRITABLE) go_on(stream, send);
    if (event->type == HC_EV_CLOSED) stream_end(stream);
}

void serve_bytes(void* arg, const hc_event* event) {
    const hc_head* head = NULL;
    uint64_t n = 0;
    char length[24];
    (void)arg;
    if (event->type != HC_EV_REQUEST) {
        serve(event, send_bytes);
        return;
    }
    if (!begin(event->obj, &head, &n)) return;
    snprintf(length, sizeof length, "%llu", (unsigned long long)n);
    const hc_header fields[] = {
        field(HC_FIELD_CONTENT_TYPE, "content-type", "application/octet-stream"),
        field(HC_FIELD_CONTENT_LENGTH, "content-length", length),
    };
    start(event, fields, 2, n, send_bytes);
}

void serve_stream(void* arg, const hc_event* event) {
    const hc_head* head = NULL;
    uint64_t n = 0;
    (void)arg;
    if (event->type != HC_EV_REQUEST) {
        serve(event, send_chunks);
        return;
    }
    if (!begin(event->obj, &head, &n)) return;
    const hc_header type =
        field(HC_FIELD_CONTENT_TYPE, "content-type", "text/plain; charset=utf-8");
    start(event, &type, 1, n, send_chunks);
}
