/* The smallest server: a function that answers on the worker which read the request.
 *
 *     01_hello [ADDRESS]      127.0.0.1:8080 unless told; port 0 takes a free one
 */
#include <stdio.h>
#include <string.h>
#include <httpcore/httpcore.h>

static void hello(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type != HC_EV_REQUEST) return;
    if (hc_respond(event->obj, 200, NULL, 0, "Hello!\n", 7, HC_FIN | HC_RELEASE, 0) != HC_OK)
        hc_release(event->obj);
}

int main(int argc, char** argv) {
    const char* address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    hc_inline handler = {.size = sizeof handler, .on_event = hello};
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_server* server = NULL;
    hc_error* error = NULL;
    char where[128] = "";

    if (hc_config_create(&config) != HC_OK ||
        hc_config_set(config, "listen.address", address, strlen(address), &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        hc_server_route(server, "GET", "/", 1, &error) != HC_OK ||
        hc_server_bind_inline(server, 1, &handler) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "01_hello: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("http://%s/\n", where);
    fflush(stdout);
    return hc_runtime_join(runtime, -1) == HC_OK ? 0 : 1; /* for ever: nobody stops it */
}
