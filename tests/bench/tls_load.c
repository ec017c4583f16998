/* Idle TLS connections: a handshake and one answer on each, then they stay open.
 *
 *   bench_tls_load PORT CONNECTIONS PATH      "/" asks for an answer, other paths for a WebSocket
 *
 * Prints "ready" once all of them have theirs, and ends with standard input. What TLS needs at
 * this end is let go of by then; the sockets stay, and nothing is said on them. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static void die(const char* what) {
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int connect_to_server(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((unsigned short)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (const struct sockaddr*)&to, sizeof to) != 0) die("connect");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Closing resets: nothing stays behind in TIME_WAIT to disturb the next run. */
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    return fd;
}

static void ask(SSL* ssl, const char* path) {
    static const char upgrade[] =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const int plain = strcmp(path, "/") == 0;
    const char* const last = plain ? "hello" : "\r\n\r\n";
    char text[1024];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
                     plain ? "" : upgrade);
    if (SSL_write(ssl, text, n) != n) die("SSL_write");
    n = 0;
    do {
        const int got = SSL_read(ssl, text + n, (int)sizeof text - 1 - n);
        if (got <= 0) die("no answer");
        n += got;
        text[n] = '\0';
    } while ((size_t)n < strlen(last) || strcmp(text + n - strlen(last), last) != 0);
    if (strncmp(text, plain ? "HTTP/1.1 200 " : "HTTP/1.1 101 ", 13) != 0) die(text);
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s PORT CONNECTIONS PATH\n", argv[0]);
        return 2;
    }
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) die("SSL_CTX_new");
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    for (int i = 0; i < atoi(argv[2]); ++i) {
        SSL* ssl = SSL_new(context);
        if (ssl == NULL || SSL_set_fd(ssl, connect_to_server(atoi(argv[1]))) != 1) die("SSL_new");
        SSL_set_tlsext_host_name(ssl, "localhost");
        if (SSL_connect(ssl) != 1) die("SSL_connect");
        ask(ssl, argv[3]);
        SSL_set_quiet_shutdown(ssl, 1);
        SSL_free(ssl);
    }
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
}
