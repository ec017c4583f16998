/* The floor of HTTP/2: what an answer costs a server that is nothing but nghttp2 and a loop. It
 * gives nghttp2 all that one read has brought, answers each request with the same head and body,
 * and writes what nghttp2 makes of that with one call. It has no routes, bounds or time limits.
 *
 * Prints its port; ends at SIGTERM. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX (64 * 1024)
#define OUTPUT_MAX (1024 * 1024)
#define EVENTS_MAX 256

#define FIELD(name, value)                                                                         \
    {(uint8_t*)(name), (uint8_t*)(value), sizeof(name) - 1, sizeof(value) - 1, 0}
static const nghttp2_nv fields[] = {
    FIELD(":status", "200"),
    FIELD("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
    FIELD("content-type", "text/plain"),
    FIELD("content-length", "5"),
};

static uint8_t input[INPUT_MAX];
static uint8_t output[OUTPUT_MAX];

static void die(const char* what) {
    perror(what);
    exit(1);
}

static nghttp2_ssize read_body(nghttp2_session* session, int32_t stream, uint8_t* buffer, size_t n,
                               uint32_t* flags, nghttp2_data_source* source, void* user) {
    (void)session, (void)stream, (void)n, (void)source, (void)user;
    memcpy(buffer, "hello", 5);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 5;
}

static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    (void)user;
    const nghttp2_data_provider2 body = {.read_callback = read_body};
    if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        return 0;
    }
    return nghttp2_submit_response2(session, frame->hd.stream_id, fields,
                                    sizeof fields / sizeof *fields, &body);
}

static int on_field(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_n, const uint8_t* value, size_t value_n, uint8_t flags,
                    void* user) {
    (void)session, (void)frame, (void)name, (void)name_n, (void)value, (void)value_n;
    (void)flags, (void)user;
    return 0;
}

struct client {
    int fd;
    nghttp2_session* session;
};

static void end(struct client* client) {
    close(client->fd);
    nghttp2_session_del(client->session);
    free(client);
}

/* Everything there is, in one call; a peer that does not take it is dropped. */
static int flush(struct client* client) {
    const uint8_t* piece;
    size_t used = 0;
    for (;;) {
        const nghttp2_ssize n = nghttp2_session_mem_send2(client->session, &piece);
        if (n < 0) return -1;
        if (n == 0) break;
        if (used + (size_t)n > OUTPUT_MAX) return -1;
        memcpy(output + used, piece, (size_t)n);
        used += (size_t)n;
    }
    return used == 0 || send(client->fd, output, used, MSG_NOSIGNAL) == (ssize_t)used ? 0 : -1;
}

static void serve(struct client* client) {
    const ssize_t n = recv(client->fd, input, sizeof input, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || nghttp2_session_mem_recv2(client->session, input, (size_t)n) < 0 ||
        flush(client) != 0) {
        end(client);
    }
}

static void take_in(int epoll, int listener, const nghttp2_session_callbacks* callbacks) {
    const nghttp2_settings_entry streams = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 128};
    const int one = 1;
    struct client* client = calloc(1, sizeof *client);
    if (client == NULL) die("calloc");
    client->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client->fd < 0 || nghttp2_session_server_new(&client->session, callbacks, NULL) != 0) {
        free(client);
        return;
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &streams, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) != 0) die("epoll_ctl");
}

static int listen_somewhere(void) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    if (bind(fd, (struct sockaddr*)&at, n) != 0) die("bind");
    if (listen(fd, 4096) != 0) die("listen");
    if (getsockname(fd, (struct sockaddr*)&at, &n) != 0) die("getsockname");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void stop(int signal_number) {
    (void)signal_number;
    _exit(0);
}

int main(void) {
    nghttp2_session_callbacks* callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) die("callbacks");
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    signal(SIGTERM, stop);
    const int listener = listen_somewhere();
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) die("epoll");
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        const int n = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.ptr == NULL) {
                take_in(epoll, listener, callbacks);
            } else {
                serve(events[i].data.ptr);
            }
        }
    }
}
