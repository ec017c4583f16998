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
    if (at > 0 && stream->waiting > 0)
        memmove(stream->window, stream->window + at, stream->waiting);
    if (stream->waiting > 0) return;
    free(stream->window);
    stream->window = NULL;
}

static void echo_message(struct stream* stream, const hc_event* event) {
    if (stream->waiting == 0) {
        const hc_status status =
            hc_ws_send(event->obj, (int32_t)event->aux[0], bytes_of(event), event->n, 0, 0);
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

/* -- /ws/chat ---------------------------------------------------------------------------------- */

static const char room[] = "chat";
enum { ROOM = sizeof room - 1, LINE_MAX = 4096 };

/* What is said is published on a topic, which everybody has subscribed to: the library sends it to
 * all of them, on whatever workers they are. */
void serve_ws_chat(void* arg, const hc_event* event) {
    (void)arg;
    switch (event->type) {
    case HC_EV_REQUEST:
        if (!accept_socket(event)) return;
        if (hc_topic_subscribe(event->obj, room, ROOM) != HC_OK)
            hc_ws_close(event->obj, 1013, "", 0);
        hc_recv(event->obj, UINT64_MAX);
        break;
    case HC_EV_WS_MESSAGE:
        if (event->aux[0] != HC_WS_TEXT || event->n > LINE_MAX) {
            hc_ws_close(event->obj, event->n > LINE_MAX ? 1009 : 1003, "", 0);
        } else {
            hc_topic_publish(demo.server, room, ROOM, HC_WS_TEXT, bytes_of(event), event->n, 0);
        }
        break;
    case HC_EV_CLOSED: hc_release(event->obj); break;
    default: break;
    }
}

static const char chat_page[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Chat</title>\n"
    "<style>\n"
    "body{font:16px/1.5 sans-serif;max-width:40em;margin:0 auto;padding:1em;height:100vh;"
    "box-sizing:border-box;display:flex;flex-direction:column}\n"
    "#log{flex:1;overflow:auto;border:1px solid #ccc;border-radius:6px;padding:.5em;"
    "list-style:none;margin:0 0 .5em}\n"
    "#log b{color:#06c}form{display:flex;gap:.5em}input{font:inherit;padding:.3em}"
    "#text{flex:1}#state{color:#888}\n"
    "</style>\n"
    "<h1>Chat <small id=\"state\">connecting</small></h1>\n<ul id=\"log\"></ul>\n"
    "<form id=\"form\"><input id=\"name\" size=\"8\" value=\"me\" aria-label=\"Name\">"
    "<input id=\"text\" autocomplete=\"off\" autofocus aria-label=\"Message\">"
    "<button>Say</button></form>\n"
    "<script>\n"
    "const at = id => document.getElementById(id);\n"
    "let socket;\n"
    "function connect() {\n"
    "  socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://"
    "${location.host}/ws/chat`);\n"
    "  socket.onopen = () => at('state').textContent = 'open';\n"
    "  socket.onclose = event => {\n"
    "    at('state').textContent = `closed (${event.code})`;\n"
    "    setTimeout(connect, 1000);\n"
    "  };\n"
    "  socket.onmessage = event => {\n"
    "    const line = JSON.parse(event.data), item = document.createElement('li');\n"
    "    const who = document.createElement('b');\n"
    "    who.textContent = line.name;\n"
    "    item.append(who, ': ', line.text);\n"
    "    at('log').append(item);\n"
    "    item.scrollIntoView();\n"
    "  };\n"
    "}\n"
    "at('form').onsubmit = event => {\n"
    "  event.preventDefault();\n"
    "  if (!at('text').value) return;\n"
    "  socket.send(JSON.stringify({name: at('name').value, text: at('text').value}));\n"
    "  at('text').value = '';\n"
    "};\n"
    "connect();\n"
    "</script>\n</html>\n";

void serve_chat(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_CLOSED) hc_release(event->obj);
    if (event->type != HC_EV_REQUEST) return;
    answer(event->obj, 200, "text/html; charset=utf-8", chat_page, sizeof chat_page - 1);
}
