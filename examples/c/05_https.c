/* HTTPS: HTTP/2 for clients that offer it, else HTTP/1.1. SIGHUP reads the files anew, for the
 * connections to come.
 *
 *     05_https [ADDRESS [CERTIFICATE KEY]]
 *         the names of two PEM files; without them a certificate for localhost is made up, which
 *         only clients take that are told to trust anybody (curl -k)
 */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <httpcore/httpcore.h>

static void tell(void* arg, const hc_event* event) {
    const hc_head* head = NULL;
    char text[256];
    (void)arg;
    if (event->type != HC_EV_REQUEST) return;
    if (hc_head_get(event->obj, &head) != HC_OK) {
        hc_release(event->obj);
        return;
    }
    const int n = snprintf(text, sizeof text, "HTTP/%s, %.*s, %.*s, %.*s%s\n",
                           head->version == HC_HTTP_2 ? "2" : "1.1", (int)head->tls_version.n,
                           head->tls_version.p, (int)head->tls_cipher.n, head->tls_cipher.p,
                           (int)head->tls_group.n, head->tls_group.p,
                           (head->flags & HC_HEADF_TLS_RESUMED) != 0 ? ", resumed" : "");
    if (hc_respond(event->obj, 200, NULL, 0, text, (size_t)n, HC_FIN | HC_RELEASE, 0) != HC_OK)
        hc_release(event->obj);
}

static hc_status set(hc_config* config, const char* key, const char* value, hc_error** error) {
    return hc_config_set(config, key, value, strlen(value), error);
}

/* At each SIGHUP: what cannot be used changes nothing. */
static void reload_for_ever(hc_server* server, const hc_config* config, const sigset_t* signals) {
    int number = 0;
    while (sigwait(signals, &number) == 0) {
        hc_error* error = NULL;
        if (hc_server_reload_tls(server, 0, config, &error) == HC_OK)
            fprintf(stderr, "05_https: new certificates\n");
        else fprintf(stderr, "05_https: %s\n", hc_error_message(error));
        hc_error_release(error);
    }
}

int main(int argc, char** argv) {
    const hc_inline handler = {.size = sizeof handler, .on_event = tell};
    const int files = argc > 3;
    hc_config* config = NULL;
    hc_runtime* runtime = NULL;
    hc_server* server = NULL;
    hc_error* error = NULL;
    char where[128] = "";
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (hc_config_create(&config) != HC_OK ||
        set(config, "listen.address", argc > 1 ? argv[1] : "127.0.0.1:8443", &error) != HC_OK ||
        set(config, files ? "tls.certificate_files" : "tls.self_signed",
            files ? argv[2] : "localhost", &error) != HC_OK ||
        set(config, "tls.key_files", files ? argv[3] : "", &error) != HC_OK ||
        hc_runtime_create(config, &runtime, &error) != HC_OK ||
        hc_server_create(runtime, config, &server, &error) != HC_OK ||
        hc_server_route(server, "GET", "/", 1, &error) != HC_OK ||
        hc_server_bind_inline(server, 1, &handler) != HC_OK ||
        hc_server_listen(server, config, &error) != HC_OK || hc_runtime_start(runtime) != HC_OK) {
        fprintf(stderr, "05_https: %s\n", hc_error_message(error));
        return 1;
    }
    hc_server_address(server, 0, where, sizeof where, NULL);
    printf("https://%s/\n", where);
    fflush(stdout);
    reload_for_ever(server, config, &signals);
    return 1;
}
