/* What reads request bodies: /echo, /upload, /trailers.
 *
 * Inline, body bytes are lent for the callback. /echo sends them on from there; what is refused it
 * keeps in a window, which is as large as the credit it gives: a client may send what it has read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/c/demo.h"

enum { WINDOW = 64 * 1024 };

static const char* bytes_of(const hc_event* event) { return (const char*)(uintptr_t)event->data; }

/* A stream for a new request whose body shall be read; NULL, and an answer, when there is none. */
static struct stream* begin(const hc_event* event, uint64_t credit) {
    struct stream* stream = stream_open(event->obj);
    if (stream == NULL) {
        answer_text(event->obj, 503, "There is not enough memory.\n");
        return NULL;
    }
    stream->ended = (event->flags & HC_EVF_END) != 0;
    if (!stream->ended) hc_recv(event->obj, credit);
    return stream;
}

/* -- /echo ------------------------------------------------------------------------------------- */

static void echo_end(struct stream* stream) {
    hc_finish(stream->exchange, NULL, 0);
    stream_end(stream);
}

static void echo_request(const hc_event* event) {
    const hc_head* head = NULL;
    hc_header fields[2];
    size_t n = 0;
    struct stream* stream = begin(event, WINDOW);
    if (stream == NULL) return;
    if (hc_head_get(event->obj, &head) != HC_OK) {
        stream_end(stream);
        return;
    }
    const hc_str type = head_value(head, HC_FIELD_CONTENT_TYPE);
    const hc_str length = head_value(head, HC_FIELD_CONTENT_LENGTH);
    fields[n] = field(HC_FIELD_CONTENT_TYPE, "content-type", "application/octet-stream");
    if (type.p != NULL) fields[n].value = type;
    ++n;
    /* A body of known length goes back with that length, else chunked. */
    if (stream->ended) {
        fields[n++] = field(HC_FIELD_CONTENT_LENGTH, "content-length", "0");
    } else if (length.p != NULL) {
        fields[n] = field(HC_FIELD_CONTENT_LENGTH, "content-length", "");
        fields[n++].value = length;
    }
    if (hc_respond(event->obj, 200, fields, n, NULL, 0, 0, 0) != HC_OK) {
        stream_end(stream);
    } else if (stream->ended) {
        echo_end(stream);
    }
}

static void echo_body(struct stream* stream, const char* bytes, size_t n) {
    if (stream->waiting == 0) {
        const hc_status status = hc_send(stream->exchange, bytes, n, 0, 0);
        if (status == HC_OK) hc_recv(stream->exchange, n);
        if (status != HC_E_AGAIN) return; /* after a failure CLOSED comes */
    }
    if (stream->window == NULL) stream->window = malloc(WINDOW);
    if (stream->window == NULL) {
        hc_abort(stream->exchange, 0);
        return;
    }
    memcpy(stream->window + stream->waiting, bytes, n);
    stream->waiting += n;
}

static void echo_go_on(struct stream* stream) {
    if (stream->waiting > 0) {
        if (hc_send(stream->exchange, stream->window, stream->waiting, 0, 0) != HC_OK) return;
        hc_recv(stream->exchange, stream->waiting);
        stream->waiting = 0;
    }
    if (stream->ended) echo_end(stream);
}

void serve_echo(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_REQUEST) {
        echo_request(event);
        return;
    }
    struct stream* stream = stream_find(event->obj);
    if (stream == NULL) return;
    switch (event->type) {
    case HC_EV_BODY: echo_body(stream, bytes_of(event), event->n); break;
    case HC_EV_BODY_END:
        stream->ended = 1;
        if (stream->waiting == 0) echo_end(stream);
        break;
    case HC_EV_WRITABLE: echo_go_on(stream); break;
    case HC_EV_CLOSED: stream_end(stream); break;
    default: break;
    }
}

/* -- /upload and /trailers: read everything, then answer --------------------------------------- */

static void read_then(const hc_event* event, void (*finish)(struct stream*)) {
    struct stream* stream = NULL;
    if (event->type == HC_EV_REQUEST) {
        stream = begin(event, UINT64_MAX);
        if (stream != NULL && stream->ended) finish(stream);
        return;
    }
    stream = stream_find(event->obj);
    if (stream == NULL) return;
    switch (event->type) {
    case HC_EV_BODY: stream->done += event->n; break;
    case HC_EV_BODY_END: finish(stream); break;
    case HC_EV_CLOSED: stream_end(stream); break;
    default: break;
    }
}

static void upload_end(struct stream* stream) {
    char json[64];
    const int n =
        snprintf(json, sizeof json, "{\"bytes\":%llu}\n", (unsigned long long)stream->done);
    const hc_header type = field(HC_FIELD_CONTENT_TYPE, "content-type", "application/json");
    hc_respond(stream->exchange, 200, &type, 1, json, (size_t)n, HC_FIN, 0);
    stream_end(stream);
}

void serve_upload(void* arg, const hc_event* event) {
    (void)arg;
    read_then(event, upload_end);
}

/* The trailer fields that came, in the body; two of our own, behind it. */
static void trailers_end(struct stream* stream) {
    const hc_header* got = NULL;
    size_t ngot = 0;
    struct text json = {0};
    char count[24];
    hc_trailers_get(stream->exchange, &got, &ngot);
    text_puts(&json, "{\"trailers\":[");
    for (size_t i = 0; i < ngot; ++i) {
        text_puts(&json, i > 0 ? ",[" : "[");
        text_json(&json, got[i].name);
        text_puts(&json, ",");
        text_json(&json, got[i].value);
        text_puts(&json, "]");
    }
    text_puts(&json, "]}\n");
    snprintf(count, sizeof count, "%llu", (unsigned long long)stream->done);
    const hc_header fields[] = {
        field(HC_FIELD_CONTENT_TYPE, "content-type", "application/json"),
        field(HC_FIELD_TRAILER, "trailer", "x-request-bytes, x-demo"),
    };
    const hc_header trailers[] = {
        field(HC_FIELD_OTHER, "x-request-bytes", count),
        field(HC_FIELD_OTHER, "x-demo", "trailers"),
    };
    if (json.failed ||
        hc_respond(stream->exchange, 200, fields, 2, json.p, json.n, 0, 0) != HC_OK ||
        hc_finish(stream->exchange, trailers, 2) != HC_OK) {
        hc_abort(stream->exchange, 0);
    }
    text_free(&json);
    stream_end(stream);
}

void serve_trailers(void* arg, const hc_event* event) {
    (void)arg;
    read_then(event, trailers_end);
}
