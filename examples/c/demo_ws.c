/* WebSockets: /ws/echo sends every message back, /ws/chat to all who are there.
 *
 * An echo that the client does not read yet is kept, behind a window of credit: what a client may
 * send on is what it has read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/c/demo.h"

enum { HEAD = 5, KEPT_MAX = 64 * 1024 * 1024 };

static const char* bytes_of(const hc_event* event) { return (const char*)(uintptr_t)event->data; }

/* Opens the WebSocket, or tells the client what is wrong. */
static int accept_socket(const hc_event* event) {
    const hc_status status = hc_ws_accept(event->obj, NULL, NULL, 0);
    if (status == HC_OK) return 1;
    if (hc_ws_refuse(event->obj, status, HC_RELEASE) != HC_OK) hc_release(event->obj);
    return 0;
}

/* -- /ws/echo ---------------------------------------------------------------------------------- */

/* Keeps a message for later: its opcode, its length and its bytes. */
static void keep(struct stream* stream, const hc_event* event) {
    const size_t n = stream->waiting + HEAD + event->n;
    char* grown = n > KEPT_MAX ? NULL : realloc(stream->window, n);
    if (grown == NULL) {
        hc_abort(stream->exchange, 0);
        return;
    }
    stream->window = grown;
    grown += stream->waiting;
    grown[0] = (char)event->aux[0];
    memcpy(grown + 1, &event->n, sizeof event->n);
    if (event->n > 0) memcpy(grown + HEAD, bytes_of(event), event->n);
    stream->waiting = n;
}

static void send_kept(struct stream* stream) {
    size_t at = 0;
    while (at < stream->waiting) {
        const char* kept = stream->window + at;
        uint32_t n = 0;
        memcpy(&n, kept + 1, sizeof n);
        if (hc_ws_send(stream->exchange, kept[0], kept + HEAD, n, 0, 0) != HC_OK) break;
        hc_recv(stream->exchange, n);
        at += HEAD + n;
    }
    stream->waiting -= at;
    if (at > 0 && stream->waiting > 0) memmove(stream->window, stream->window + at, stream->waiting);
    if (stream->waiting > 0) return;
    free(stream->window);
    stream->window = NULL;
}

static void echo_message(struct stream* stream, const hc_event* event) {
    if (stream->waiting == 0) {
        const hc_status status = hc_ws_send(event->obj, (int32_t)event->aux[0], bytes_of(event),
                                            event->n, 0, 0);
        if (status == HC_OK) hc_recv(event->obj, event->n);
        if (status != HC_E_AGAIN) return; /* after a failure CLOSED comes */
    }
    keep(stream, event);
}

void serve_ws_echo(void* arg, const hc_event* event) {
    struct stream* stream = NULL;
    (void)arg;
    if (event->type == HC_EV_REQUEST) {
        if (!accept_socket(event)) return;
        if (stream_open(event->obj) == NULL) {
            hc_release(event->obj);
        } else {
            hc_recv(event->obj, 1); /* a message at a time */
        }
        return;
    }
    stream = stream_find(event->obj);
    if (stream == NULL) return;
    switch (event->type) {
    case HC_EV_WS_MESSAGE: echo_message(stream, event); break;
    case HC_EV_WRITABLE: send_kept(stream); break;
    case HC_EV_CLOSED: stream_end(stream); break;
    default: break;
    }
}
