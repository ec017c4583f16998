/* OpenSSL's own floor of idle TLS connections, and of what they are made with: one thread, one
 * epoll loop, one SSL a connection and nothing else. Each read that ends a head gets a canned
 * answer: "hello", or the 101 that bench_tls_load's key calls for. Buffers are released between
 * records (SSL_MODE_RELEASE_BUFFERS), sessions are in tickets alone.
 *
 *   bench_tls_floor CERTIFICATE KEY
 *
 * Prints its port; ends at SIGTERM. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define EVENTS_MAX 256

static const char hello[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
static const char upgraded[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void die(const char* what) {
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int listen_anywhere(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr*)&at, n) != 0 || listen(fd, 4096) != 0) die("listen");
    if (getsockname(fd, (struct sockaddr*)&at, &n) != 0) die("getsockname");
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static SSL_CTX* make_context(const char* certificate, const char* key) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        die("certificate");
    }
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

static void accept_all(int epoll, int listener, SSL_CTX* context) {
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        SSL* ssl = SSL_new(context);
        if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) die("SSL_new");
        SSL_set_accept_state(ssl);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = ssl};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl");
    }
}

static void end(SSL* ssl) {
    const int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
}

static void serve(SSL* ssl) {
    static char in[16384 + 1];
    int n;
    ERR_clear_error();
    while ((n = SSL_read(ssl, in, sizeof in - 1)) > 0) {
        in[n] = '\0';
        const int socket = strstr(in, "Upgrade: websocket") != NULL;
        const char* text = socket ? upgraded : hello;
        if (SSL_write(ssl, text, (int)strlen(text)) <= 0) break;
    }
    if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ) end(ssl);
}

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s CERTIFICATE KEY\n", argv[0]);
        return 2;
    }
    SSL_CTX* context = make_context(argv[1], argv[2]);
    const int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_anywhere();
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e) != 0) die("epoll_ctl");
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        const int n = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.ptr == NULL) accept_all(epoll, listener, context);
            else serve(events[i].data.ptr);
        }
    }
}
