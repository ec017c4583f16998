/* A chat: every message of a WebSocket goes to all who are there, by a topic.
 *
 *     06_websocket_chat [ADDRESS]      127.0.0.1:8080 unless told; port 0 takes a free one
 *
 * Try it in the console of a browser's page from there:
 *     s = new WebSocket("ws://127.0.0.1:8080/"); s.onmessage = e => console.log(e.data)
 *     s.send("hi")
 */
#include <stdio.h>
#include <string.h>
#include <httpcore/httpcore.h>

static hc_server* server;

static void chat(void* arg, const hc_event* event) {
    hc_status status = HC_OK;
    (void)arg;
    switch (event->type) {
    case HC_EV_REQUEST:
        status = hc_ws_accept(event->obj, NULL, NULL, 0);
        if (status != HC_OK) { /* it asks for no WebSocket, say */
            hc_ws_refuse(event->obj, status, HC_RELEASE);
            break;
        }
        hc_topic_subscribe(event->obj, "room", 4);
        hc_recv(event->obj, UINT64_MAX); /* all messages, as they come */
        break;
    case HC_EV_WS_MESSAGE:
        hc_topic_publish(server, "room", 4, (int32_t)event->aux[0],
                         (const void*)(uintptr_t)event->data, event->n, 0);
        break;
    case HC_EV_CLOSED: hc_release(event->obj); break;
    default: break;
    }
}

int main(int argc, char** argv) {
    const char* address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    hc_inline handler = {.size = sizeof handler, .on_event = chat};
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_error* error = NULL;
    char where[128] = "";

    if (hc_config_create(&config) != HC_OK ||
        hc_config_set(config, "listen.address", address, strlen(address), &error) != HC_OK ||
        hc_config_set(config, "limits.ws_message_bytes_max", "4096", 4, &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        hc_server_route(server, NULL, "/", 1, &error) != HC_OK ||
        hc_server_bind_inline(server, 1, &handler) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "06_websocket_chat: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("http://%s/\n", where);
    fflush(stdout);
    return hc_runtime_join(runtime, -1) == HC_OK ? 0 : 1; /* for ever: nobody stops it */
}
