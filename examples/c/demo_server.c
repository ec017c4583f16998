/* The demo server: a C program on the C interface, for people, clients and test suites.
 * `demo_server --help` tells its options, and "/" its routes. See demo.h for its parts. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "examples/c/demo.h"

/* When a signal asks for the end: /slow gets the time it may take at most. */
static const uint64_t drain_soft_ns = 30000000000, drain_hard_ns = 65000000000;

enum { EVENTS = 256, ADDRESS_BYTES = 256 };
enum progress { RUNNING, DRAINING, STOPPING, STOPPED };

struct demo demo = {.folder = -1};

/* -- signals: a byte in a pipe, for the loop to read ------------------------------------------- */

static int signal_pipe[2] = {-1, -1};

static void on_signal(int number) {
    const int before = errno;
    const char byte = (char)number;
    if (write(signal_pipe[1], &byte, 1) < 0) errno = before; /* full: it was told already */
    errno = before;
}

static int catch_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return 0;
    return sigaction(SIGTERM, &action, NULL) == 0 && sigaction(SIGINT, &action, NULL) == 0;
}

/* -- start ------------------------------------------------------------------------------------- */

/* Every connection is a descriptor, and the soft limit is often 1024. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void log_line(void* arg, int32_t level, const char* component, size_t component_n,
                     const char* message, size_t message_n) {
    static const char* const names[] = {"debug", "info", "warning", "error"};
    (void)arg;
    fprintf(stderr, "%s %.*s: %.*s\n", level >= 0 && level < 4 ? names[level] : "log",
            (int)component_n, component, (int)message_n, message);
}

/* The settings that are about TLS, or the others. */
static hc_status apply_settings(const struct options* options, int tls, hc_config* config,
                                hc_error** error) {
    char key[128];
    hc_status status = HC_OK;
    for (size_t i = 0; status == HC_OK && i < options->nsettings; ++i) {
        const struct setting* setting = &options->settings[i];
        if (setting_is_tls(setting) != tls) continue;
        snprintf(key, sizeof key, "%.*s", (int)setting->key_n, setting->key);
        status = hc_config_set(config, key, setting->value, strlen(setting->value), error);
    }
    return status;
}

static hc_status apply(const struct options* options, hc_config* config, hc_error** error) {
    hc_status status = hc_config_set(config, "log.level", "warning", 7, error);
    if (status == HC_OK) status = hc_config_set(config, "compression.enable", "true", 4, error);
    if (status == HC_OK) status = clock_configure(config);
    if (status == HC_OK) status = apply_settings(options, 0, config, error);
    if (status == HC_OK) status = hc_config_set_log(config, log_line, NULL, NULL);
    return status;
}

/* What chooses the port that is being opened. */
static const char* port_option = "--port";

/* In clear text, and encrypted where there is a port for it. (Without one what is set about TLS is
 * for the one listener.) */
static hc_status listen_on(const struct options* options, char* address, hc_config* config,
                           hc_error** error) {
    hc_status status = HC_OK;
    if (options->tls_port < 0) status = apply_settings(options, 1, config, error);
    if (status == HC_OK)
        status = hc_config_set(config, "listen.address", address, strlen(address), error);
    if (status == HC_OK) status = hc_server_listen(demo.server, config, error);
    if (status != HC_OK || options->tls_port < 0) return status;

    static const char names[] = "localhost,127.0.0.1,::1";
    port_option = "--tls-port";
    options_address(options, options->tls_port, address, ADDRESS_BYTES);
    status = hc_config_set(config, "listen.address", address, strlen(address), error);
    if (status == HC_OK) status = apply_settings(options, 1, config, error);
    for (size_t i = 0; i < options->nsettings; ++i) {
        const struct setting* setting = &options->settings[i];
        if (setting_is_tls(setting) && memcmp(setting->key, "tls.cert", 8) == 0)
            return hc_server_listen(demo.server, config, error);
    }
    if (status == HC_OK)
        status = hc_config_set(config, "tls.self_signed", names, strlen(names), error);
    if (status == HC_OK) status = hc_server_listen(demo.server, config, error);
    return status;
}

static hc_status start(const struct options* options, char* address, hc_error** error) {
    hc_config* config = NULL;
    hc_status status = hc_config_create(&config);
    if (status == HC_OK) status = apply(options, config, error);
    if (status == HC_OK) status = hc_runtime_create(config, &demo.runtime, error);
    if (status == HC_OK) status = hc_queue_create(demo.runtime, 0, &demo.queue);
    if (status == HC_OK) status = hc_server_create(demo.runtime, config, &demo.server, error);
    if (status == HC_OK) status = routes_add(demo.server, demo.folder >= 0, error);
    if (status == HC_OK) status = listen_on(options, address, config, error);
    if (status == HC_OK) status = hc_runtime_start(demo.runtime);
    hc_config_release(config);
    return status;
}

static int tell_failure(hc_status status, const char* address, hc_error* error) {
    const char* detail = hc_error_detail(error);
    if (status == HC_E_ADDRESS_IN_USE) {
        fprintf(stderr, "demo_server: %s is in use; %s takes another one, 0 any\n", address,
                port_option);
    } else if (error != NULL) {
        fprintf(stderr, "demo_server: %s%s%s%s\n", hc_error_message(error), detail[0] ? " (" : "",
                detail, detail[0] ? ")" : "");
    } else {
        fprintf(stderr, "demo_server: %s\n", hc_status_name(status));
    }
    hc_error_release(error);
    return 1;
}

static int open_folder(const char* name) {
    demo.folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (demo.folder < 0) fprintf(stderr, "demo_server: %s: %s\n", name, strerror(errno));
    return demo.folder >= 0;
}

static void tell_address(uint32_t listener, const char* scheme) {
    char where[ADDRESS_BYTES] = "";
    hc_server_address(demo.server, listener, where, sizeof where, NULL);
    if (strncmp(where, "unix:", 5) == 0) {
        printf("%s\n", where);
    } else {
        printf("%s://%s/\n", scheme, where);
    }
}

static void tell_addresses(const struct options* options) {
    int only_tls = 0;
    for (size_t i = 0; i < options->nsettings; ++i)
        if (setting_is_tls(&options->settings[i])) only_tls = options->tls_port < 0;
    tell_address(0, only_tls ? "https" : "http");
    if (options->tls_port >= 0) tell_address(1, "https");
    fflush(stdout);
}

/* -- the main thread's loop: timers, signals, the end ------------------------------------------ */

static enum progress on_event(const hc_event* event, enum progress progress) {
    switch (event->type) {
    case HC_EV_TIMER: slow_is_due(event); return progress;
    case HC_EV_DRAINED:
        if (progress != DRAINING) return progress;
        hc_runtime_stop(demo.runtime, demo.queue, 0);
        return STOPPING;
    case HC_EV_STOPPED: return STOPPED;
    default: return progress;
    }
}

/* Handles what is in the queue, until it is empty and armed. */
static enum progress empty_queue(enum progress progress) {
    static hc_event events[EVENTS];
    uint32_t n = 0;
    do {
        if (hc_queue_poll(demo.queue, events, EVENTS, 0, &n) != HC_OK) break;
        for (uint32_t i = 0; i < n; ++i) progress = on_event(&events[i], progress);
    } while (n > 0 || hc_queue_arm(demo.queue) == HC_E_AGAIN);
    return progress;
}

/* The first signal drains, the second stops. */
static enum progress on_signals(enum progress progress, int* hurried) {
    char byte;
    while (read(signal_pipe[0], &byte, 1) == 1) {
        if (progress == RUNNING) {
            fprintf(stderr, "demo_server: finishing what runs; once more ends at once\n");
            hc_server_drain(demo.server, demo.queue, drain_soft_ns, drain_hard_ns, 0);
            progress = DRAINING;
        } else if (progress == DRAINING) {
            hc_runtime_stop(demo.runtime, demo.queue, 0);
            progress = STOPPING;
            *hurried = 1;
        }
    }
    return progress;
}

/* The exit code: 1 when the end was hurried. */
static int run(void) {
    struct pollfd watched[] = {
        {.fd = (int)hc_queue_fd(demo.queue), .events = POLLIN},
        {.fd = signal_pipe[0], .events = POLLIN},
    };
    enum progress progress = RUNNING;
    int hurried = 0;
    while ((progress = empty_queue(progress)) != STOPPED) {
        poll(watched, 2, -1);
        progress = on_signals(progress, &hurried);
    }
    return hurried;
}

int main(int argc, char** argv) {
    struct options options;
    char address[ADDRESS_BYTES];
    hc_error* error = NULL;
    int code = options_read(&options, argc, argv);
    if (code >= 0) return code;
    if (!options_address(&options, options.port, address, sizeof address)) {
        fprintf(stderr, "demo_server: the address is too long\n");
        return 2;
    }
    if (options.folder != NULL && !open_folder(options.folder)) return 1;
    raise_descriptor_limit();
    make_prepare();
    if (!catch_signals()) {
        perror("demo_server: signals");
        return 1;
    }
    const hc_status status = start(&options, address, &error);
    if (status != HC_OK) return tell_failure(status, address, error);
    tell_addresses(&options);
    code = run();
    hc_runtime_join(demo.runtime, -1);
    hc_server_release(demo.server);
    hc_queue_release(demo.queue);
    hc_runtime_release(demo.runtime);
    return code;
}
