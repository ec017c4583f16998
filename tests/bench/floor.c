/* The floor: what an answer costs when nobody looks at the request. One epoll loop on one thread
 * reads whatever arrived and writes a canned answer for each blank line. It parses nothing, bounds
 * nothing and times nothing out, so no server can be expected to do with less than its two system
 * calls a batch of input.
 *
 * The answer has the fields and the size of the one that h1_server.c gives (run.py checks it).
 * Prints its port; ends at SIGTERM. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 20000
#define INPUT_MAX (64 * 1024)
#define EVENTS_MAX 256
/* A blank line takes two bytes at least, so this many answers may follow one read. */
#define ANSWERS_MAX (INPUT_MAX / 2)

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                             "Content-Type: text/plain\r\n"
                             "Content-Length: 5\r\n"
                             "\r\n"
                             "hello";
enum { answer_n = sizeof(answer) - 1 };

static char answers[ANSWERS_MAX * answer_n];
static char input[INPUT_MAX];
/* The length so far of each descriptor's unfinished line; 2 stands for all that is longer. */
static uint8_t line_n[DESCRIPTORS_MAX];

static void die(const char* what) {
    perror(what);
    exit(1);
}

static int listen_somewhere(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
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

static void watch(int epoll, int fd, uint32_t events) {
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl");
}

static void accept_all(int epoll, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED) return;
            die("accept4");
        }
        if (fd >= DESCRIPTORS_MAX) {
            close(fd);
            return;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        line_n[fd] = 0;
        watch(epoll, fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
    }
}

/* How many blank lines end in these bytes. */
static size_t blank_lines(int fd, const char* p, size_t n) {
    const char* end = p + n;
    size_t count = 0, before = line_n[fd];
    for (;;) {
        const char* newline = memchr(p, '\n', (size_t)(end - p));
        if (newline == NULL) break;
        count += before + (size_t)(newline - p) == 1;
        before = 0;
        p = newline + 1;
    }
    before += (size_t)(end - p);
    line_n[fd] = before < 2 ? (uint8_t)before : 2;
    return count;
}

static void serve(int fd) {
    ssize_t n;
    do {
        n = recv(fd, input, sizeof input, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            close(fd);
            return;
        }
        size_t bytes = blank_lines(fd, input, (size_t)n) * answer_n;
        /* A client that does not read its answers is dropped: the load reports an error then. */
        if (bytes > 0 && send(fd, answers, bytes, MSG_NOSIGNAL) != (ssize_t)bytes) {
            close(fd);
            return;
        }
    } while ((size_t)n == sizeof input);
}

static void end(int sig) {
    (void)sig;
    _exit(0);
}

int main(void) {
    signal(SIGTERM, end);
    for (size_t i = 0; i < ANSWERS_MAX; ++i) memcpy(answers + i * answer_n, answer, answer_n);
    int listener = listen_somewhere();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    watch(epoll, listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(epoll, events, EVENTS_MAX, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; ++i) {
            if (events[i].data.fd == listener) accept_all(epoll, listener);
            else serve(events[i].data.fd);
        }
    }
}
