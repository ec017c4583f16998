#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/c/demo.h"

static const char usage[] =
    "demo_server [--host HOST] [--port PORT] [--tls-port PORT] [--set KEY=VALUE]... [FOLDER]\n"
    "\n"
    "  --host HOST       address to listen on: 127.0.0.1 unless told; ::1, 0.0.0.0, localhost,\n"
    "                    unix:PATH\n"
    "  --port PORT       8080 unless told; 0 for any that is free\n"
    "  --tls-port PORT   the same encrypted: 8443 when no port is told at all, else none unless\n"
    "                    told. With a certificate made up for localhost, unless --set names one\n"
    "                    (tls.certificate_files and tls.key_files)\n"
    "  --set KEY=VALUE   an option of libhttpcore, such as limits.idle_timeout_ms=5000\n"
    "  --help            this text\n"
    "  FOLDER            its files are served below /files/\n"
    "\n"
    "SIGTERM or Ctrl-C lets what runs finish and then ends; a second one ends at once.\n";

static int mistake(const char* what, const char* about) {
    fprintf(stderr, "demo_server: %s: %s (--help tells more)\n", about, what);
    return 2;
}

static int set_port(int* port, const char* value) {
    uint64_t number = 0;
    if (!parse_number(str(value), 65535, &number))
        return mistake("a port is a number from 0 to 65535", value);
    *port = (int)number;
    return -1;
}

static int add_setting(struct options* options, const char* value) {
    const char* equals = strchr(value, '=');
    if (equals == NULL || equals == value) return mistake("--set takes KEY=VALUE", value);
    if (options->nsettings == sizeof options->settings / sizeof options->settings[0])
        return mistake("there are too many of --set", value);
    options->settings[options->nsettings++] =
        (struct setting){value, (size_t)(equals - value), equals + 1};
    return -1;
}

/* Sets what `name`, n bytes, stands for. */
static int set_option(struct options* options, const char* name, size_t n, const char* value) {
    if (n == 6 && memcmp(name, "--host", 6) == 0) {
        if (value[0] == '\0') return mistake("an address is missing", "--host");
        options->host = value;
        return -1;
    }
    if (n == 6 && memcmp(name, "--port", 6) == 0) return set_port(&options->port, value);
    if (n == 10 && memcmp(name, "--tls-port", 10) == 0) return set_port(&options->tls_port, value);
    return add_setting(options, value);
}

static int is_option(const char* name, size_t n) {
    return (n == 6 && (memcmp(name, "--host", 6) == 0 || memcmp(name, "--port", 6) == 0)) ||
           (n == 10 && memcmp(name, "--tls-port", 10) == 0) ||
           (n == 5 && memcmp(name, "--set", 5) == 0);
}

/* What was not told. */
static void settle(struct options* options) {
    const int untold = options->port < 0 && options->tls_port < 0;
    if (untold && strncmp(options->host, "unix:", 5) != 0) options->tls_port = 8443;
    if (options->port < 0) options->port = 8080;
}

int options_read(struct options* options, int argc, char** argv) {
    *options = (struct options){.host = "127.0.0.1", .port = -1, .tls_port = -1};
    for (int i = 1; i < argc; ++i) {
        const char* argument = argv[i];
        const size_t n = strcspn(argument, "=");
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (argument[0] != '-' || argument[1] == '\0') {
            if (options->folder != NULL) return mistake("there can be one folder only", argument);
            options->folder = argument;
            continue;
        }
        if (!is_option(argument, n)) return mistake("there is no such option", argument);
        if (argument[n] == '\0' && ++i == argc) return mistake("its value is missing", argument);
        const char* value = argument[n] == '=' ? argument + n + 1 : argv[i];
        const int code = set_option(options, argument, n, value);
        if (code >= 0) return code;
    }
    settle(options);
    return -1;
}

int setting_is_tls(const struct setting* setting) {
    return setting->key_n > 4 && memcmp(setting->key, "tls.", 4) == 0;
}

int options_address(const struct options* options, int port, char* out, size_t cap) {
    const char* host = strcmp(options->host, "localhost") == 0 ? "127.0.0.1" : options->host;
    const int bare_v6 = strchr(host, ':') != NULL && host[0] != '[';
    int n;
    if (strncmp(host, "unix:", 5) == 0) {
        n = snprintf(out, cap, "%s", host);
    } else {
        n = snprintf(out, cap, bare_v6 ? "[%s]:%d" : "%s:%d", host, port);
    }
    return n > 0 && (size_t)n < cap;
}
