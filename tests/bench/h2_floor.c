/* The floor of HTTP/2: nghttp2 and a loop, nothing else. One epoll loop feeds what was read to
 * nghttp2, answers every request of a read with the same five bytes, and writes what nghttp2 has to
 * say in one go. Clear text with prior knowledge. Prints the port. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

enum { EVENTS = 256, INPUT = 65536, OUTPUT = 262144 };

struct connection {
    int fd;
    nghttp2_session* session;
};

static char input[INPUT], output[OUTPUT];
static char date[30];

static void must(int ok, const char* what) {
    if (ok) return;
    perror(what);
    exit(1);
}

static ssize_t give_body(nghttp2_session* session, int32_t stream, uint8_t* into, size_t n,
                         uint32_t* flags, nghttp2_data_source* source, void* user) {
    (void)session, (void)stream, (void)n, (void)source, (void)user;
    memcpy(into, "hello", 5);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 5;
}

#define FIELD(name, value, size) \
    {(uint8_t*)(name), (uint8_t*)(value), sizeof(name) - 1, size, NGHTTP2_NV_FLAG_NONE}

static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    const nghttp2_nv fields[] = {
        FIELD(":status", "200", 3),
        FIELD("date", date, 29),
        FIELD("content-type", "text/plain", 10),
        FIELD("content-length", "5", 1),
    };
    const nghttp2_data_provider2 body = {.read_callback = give_body};
    return nghttp2_submit_response2(session, frame->hd.stream_id, fields, 4, &body);
}

static void take(int listener, int loop, nghttp2_session_callbacks* callbacks) {
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection* connection = calloc(1, sizeof *connection);
        must(connection != NULL, "calloc");
        connection->fd = fd;
        must(nghttp2_session_server_new(&connection->session, callbacks, NULL) == 0, "nghttp2");
        const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 256};
        nghttp2_submit_settings(connection->session, 0, &entry, 1);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        must(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
}

static void end(struct connection* connection) {
    nghttp2_session_del(connection->session);
    close(connection->fd);
    free(connection);
}

/* Answers always fit into the socket's buffer at these loads; if not, the connection ends. */
static int flush(struct connection* connection) {
    size_t filled = 0;
    for (;;) {
        const uint8_t* bytes = NULL;
        const ssize_t n = nghttp2_session_mem_send2(connection->session, &bytes);
        if (n < 0 || filled + (size_t)n > sizeof output) return 0;
        if (n == 0) break;
        memcpy(output + filled, bytes, (size_t)n);
        filled += (size_t)n;
    }
    return filled == 0 || send(connection->fd, output, filled, MSG_NOSIGNAL) == (ssize_t)filled;
}

static void serve(struct connection* connection) {
    const ssize_t n = read(connection->fd, input, sizeof input);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 ||
        nghttp2_session_mem_recv2(connection->session, (uint8_t*)input, (size_t)n) != n ||
        !flush(connection))
        end(connection);
}

int main(void) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), loop = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    must(listener >= 0 && loop >= 0, "socket");
    must(bind(listener, (struct sockaddr*)&address, size) == 0, "bind");
    must(listen(listener, 4096) == 0, "listen");
    must(getsockname(listener, (struct sockaddr*)&address, &size) == 0, "getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    const time_t now = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));

    nghttp2_session_callbacks* callbacks = NULL;
    must(nghttp2_session_callbacks_new(&callbacks) == 0, "nghttp2");
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    must(epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
    for (;;) {
        const int n = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.ptr == NULL) take(listener, loop, callbacks);
            else serve(events[i].data.ptr);
        }
    }
}
