/* The header as a C99 program sees it: nothing else included before it, warnings are errors. */
#include <httpcore/httpcore.h>

#include <stdio.h>

static void on_event(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_REQUEST) {
        hc_respond(event->obj, 200, NULL, 0, "hi", 2, HC_FIN | HC_RELEASE, 0);
    }
}

int main(void) {
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_server* server = NULL;
    hc_inline handler = {sizeof handler, on_event, NULL, NULL};
    int bad = 0;
    bad += sizeof(hc_event) != 64;
    bad += hc_version() < ((uint32_t)HC_VERSION_MAJOR << 16 | HC_VERSION_MINOR << 8);
    bad += hc_config_create(&config) != HC_OK;
    bad += hc_config_set(config, "listen.address", "127.0.0.1:0", 11, NULL) != HC_OK;
    bad += hc_runtime_create(config, &runtime, NULL) != HC_OK;
    bad += hc_server_create(runtime, config, &server, NULL) != HC_OK;
    bad += hc_server_route(server, "GET", "/", 1, NULL) != HC_OK;
    bad += hc_server_bind_inline(server, 1, &handler) != HC_OK;
    bad += hc_server_listen(server, config, NULL) != HC_OK;
    bad += hc_runtime_start(runtime) != HC_OK;
    bad += hc_runtime_stop(runtime, NULL, 0) != HC_OK;
    bad += hc_runtime_join(runtime, -1) != HC_OK;
    hc_server_release(server);
    hc_runtime_release(runtime);
    hc_config_release(config);
    if (bad != 0) fprintf(stderr, "%d calls went wrong\n", bad);
    return bad;
}
