#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/c/demo.h"

static const char usage[] =
    "demo_server [--host HOST] [--port PORT] [--set KEY=VALUE]... [FOLDER]\n"
    "\n"
    "  --host HOST       address to listen on: 127.0.0.1 unless told; ::1, 0.0.0.0, localhost,\n"
    "                    unix:PATH\n"
    "  --port PORT       8080 unless told; 0 for any that is free\n"
    "  --set KEY=VALUE   an option of libhttpcore, such as limits.idle_timeout_ms=5000\n"
    "  --help            this text\n"
    "  FOLDER            its files are served below /files/\n"
    "\n"
    "SIGTERM or Ctrl-C lets what runs finish and then ends; a second one ends at once.\n";

static int mistake(const char* what, const char* about) {
    fprintf(stderr, "demo_server: %s: %s (--help tells more)\n", about, what);
    return 2;
}

static int set_port(struct options* options, const char* value) {
    uint64_t port = 0;
    if (!parse_number(str(value), 65535, &port))
        return mistake("a port is a number from 0 to 65535", value);
    options->port = (int)port;
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
    if (n == 6 && memcmp(name, "--port", 6) == 0) return set_port(options, value);
    return add_setting(options, value);
}

static int is_option(const char* name, size_t n) {
    return (n == 6 && (memcmp(name, "--host", 6) == 0 || memcmp(name, "--port", 6) == 0)) ||
           (n == 5 && memcmp(name, "--set", 5) == 0);
}

int options_read(struct options* options, int argc, char** argv) {
    *options = (struct options){.host = "127.0.0.1", .port = 8080};
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
    return -1;
}

int options_address(const struct options* options, char* out, size_t cap) {
    const char* host = strcmp(options->host, "localhost") == 0 ? "127.0.0.1" : options->host;
    const int bare_v6 = strchr(host, ':') != NULL && host[0] != '[';
    int n;
    if (strncmp(host, "unix:", 5) == 0) {
        n = snprintf(out, cap, "%s", host);
    } else {
        n = snprintf(out, cap, bare_v6 ? "[%s]:%d" : "%s:%d", host, options->port);
    }
    return n > 0 && (size_t)n < cap;
}
