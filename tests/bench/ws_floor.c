/* The floor of the WebSocket benchmark: one thread, one epoll loop, no HTTP, no rules, no time
 * limits. A request gets the one answer that bench_ws_load's key calls for; then
 *
 *   /echo  the frames of a read are unmasked and go back in one write
 *   /sub   is put into an array
 *   /pub   the frames of a read go to everybody in the array in one write each
 *
 * No server can do with less than these system calls, so it says which part of a number is the
 * kernel's. Messages of one frame and up to 64 KiB a read, which is what the load sends. Prints its
 * port; ends at SIGTERM. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define BUFFER_BYTES 65536
#define CONNECTIONS_MAX 65536

enum kind { NEW = 0, ECHO, SUBSCRIBER, PUBLISHER };

static const char answer[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static unsigned char kinds[CONNECTIONS_MAX]; /* by descriptor */
static int subscribers[CONNECTIONS_MAX];
static size_t subscriber_n;
static unsigned char in[BUFFER_BYTES];
static unsigned char out[BUFFER_BYTES];

static void die(const char* what) {
    perror(what);
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

static void watch(int epoll, int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl");
}

static void accept_all(int epoll, int listener) {
    for (;;) {
        int on = 1;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        if (fd >= CONNECTIONS_MAX) die("too many connections");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        kinds[fd] = NEW;
        watch(epoll, fd);
    }
}

static void forget(int fd) {
    if (kinds[fd] == SUBSCRIBER) {
        for (size_t i = 0; i < subscriber_n; ++i) {
            if (subscribers[i] == fd) subscribers[i] = subscribers[--subscriber_n];
        }
    }
    close(fd);
}

static void begin(int fd, size_t n) {
    in[n < BUFFER_BYTES ? n : BUFFER_BYTES - 1] = '\0';
    const char* text = (const char*)in;
    kinds[fd] = strncmp(text, "GET /sub ", 9) == 0   ? SUBSCRIBER
                : strncmp(text, "GET /pub ", 9) == 0 ? PUBLISHER
                                                     : ECHO;
    if (kinds[fd] == SUBSCRIBER) subscribers[subscriber_n++] = fd;
    if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) forget(fd);
}

/* The whole frames of a read as a server sends them; a cut one ends the program, since the load
 * sends less than a buffer at a time. */
static size_t unmask(size_t n) {
    size_t at = 0, to = 0;
    while (at < n) {
        size_t size = in[at + 1] & 0x7F, head = 2;
        if (size == 126) {
            size = (size_t)in[at + 2] << 8 | in[at + 3];
            head = 4;
        }
        const unsigned char* mask = in + at + head;
        const unsigned char* payload = mask + 4;
        if (at + head + 4 + size > n) {
            fprintf(stderr, "a cut frame\n");
            exit(1);
        }
        out[to] = in[at];
        out[to + 1] = in[at + 1] & 0x7F;
        if (head == 4) memcpy(out + to + 2, in + at + 2, 2);
        to += head;
        for (size_t i = 0; i < size; ++i) out[to + i] = payload[i] ^ mask[i & 3];
        to += size;
        at += head + 4 + size;
    }
    return to;
}

static void serve(int fd) {
    const ssize_t n = recv(fd, in, sizeof in, 0);
    if (n <= 0) {
        forget(fd);
        return;
    }
    if (kinds[fd] == NEW) {
        begin(fd, (size_t)n);
        return;
    }
    const size_t size = unmask((size_t)n);
    if (kinds[fd] == ECHO) {
        if (send(fd, out, size, MSG_NOSIGNAL) != (ssize_t)size) forget(fd);
    } else if (kinds[fd] == PUBLISHER) {
        for (size_t i = 0; i < subscriber_n; ++i) {
            (void)!send(subscribers[i], out, size, MSG_NOSIGNAL);
        }
    }
}

int main(void) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_anywhere();
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        const int n = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.fd == listener) accept_all(epoll, listener);
            else serve(events[i].data.fd);
        }
    }
}
