/* Load where wrk does not do: counted requests, a fixed rate, idle and slow connections.
 *
 *   bench_load count PORT REQUESTS CONNECTIONS         in turn, then ends: for instruction counts
 *   bench_load rate PORT RATE SECONDS CONNECTIONS      latencies at that many requests a second
 *   bench_load idle PORT CONNECTIONS                   one request on each, then "ready" is printed
 *                                                      and they stay open until standard input ends
 *   bench_load clients PORT SECONDS CONNECTIONS        each client asks again once it is answered;
 *                                                      counted after a second
 *   bench_load slow PORT CONNECTIONS                   heads that never end, a byte every 5 s; then
 *                                                      as idle. One that is closed comes again
 *   bench_load probe PORT REQUESTS                     one after the other, a connection for each
 *
 * Prints one JSON object and ends with 0, or says what went wrong and ends with 1: every answer has
 * to be a whole 200 with the body "hello", and none may be missing.
 *
 * The rate is open-loop: request i is due at start + i / RATE whether or not earlier ones have been
 * answered, and its latency counts from then, not from when a connection was free. So a server that
 * stalls is charged for those that had to wait behind the stall. The generator spins rather than
 * sleeps, to be on time. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 4096
#define EVENTS_MAX 256
#define GIVE_UP_NS (10 * UINT64_C(1000000000))

struct connection {
    int fd;
    size_t n;     /* bytes of the answer so far */
    uint64_t due; /* when its request was due */
    char answer[ANSWER_MAX];
};

static uint16_t port;
static char request[128];
static size_t request_n;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char* format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static uint64_t number(const char* text, uint64_t max) {
    char* end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value == 0 || value > max) die("not a number: %s", text);
    return value;
}

static int connect_to_server(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) die("connect: %s", strerror(errno));
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Closing resets: nothing stays behind in TIME_WAIT to disturb the next run. */
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    return fd;
}

static void send_request(int fd) {
    ssize_t n = send(fd, request, request_n, MSG_NOSIGNAL);
    if (n != (ssize_t)request_n) die("send: %s", n < 0 ? strerror(errno) : "short");
}

/* Is the answer whole? Ends the program when it is not the one we want. */
static int is_whole(struct connection* c) {
    static const char good[] = "HTTP/1.1 200 ";
    c->answer[c->n] = '\0';
    if (c->n < sizeof good - 1) return 0;
    if (memcmp(c->answer, good, sizeof good - 1) != 0) die("not a 200:\n%s", c->answer);
    const char* blank = strstr(c->answer, "\r\n\r\n");
    if (blank == NULL) return 0;
    const char* field = strcasestr(c->answer, "\r\ncontent-length:");
    if (field == NULL || field > blank) die("without Content-Length:\n%s", c->answer);
    size_t whole = (size_t)(blank + 4 - c->answer) + strtoul(field + 17, NULL, 10);
    if (c->n < whole) return 0;
    if (c->n > whole || strcmp(blank + 4, "hello") != 0) die("another answer:\n%s", c->answer);
    return 1;
}

/* Takes what has arrived. True when the answer is whole; the next one may begin then. */
static int receive(struct connection* c) {
    ssize_t n = recv(c->fd, c->answer + c->n, ANSWER_MAX - 1 - c->n, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n < 0) die("recv: %s", strerror(errno));
    if (n == 0) die("the connection ended within an answer:\n%.*s", (int)c->n, c->answer);
    c->n += (size_t)n;
    if (!is_whole(c)) return 0;
    c->n = 0;
    return 1;
}

static struct connection* open_all(size_t count, int epoll) {
    struct connection* all = calloc(count, sizeof *all);
    if (all == NULL) die("memory");
    for (size_t i = 0; i < count; ++i) {
        all[i].fd = connect_to_server();
        fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &e) != 0) die("epoll_ctl");
    }
    return all;
}

static int wait_for_answers(int epoll, struct epoll_event* events, int timeout_ms) {
    int n = epoll_wait(epoll, events, EVENTS_MAX, timeout_ms);
    if (n < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    return n < 0 ? 0 : n;
}

/* Rounds: a request on each connection, then all the answers. A server that is much slower than we
 * are finds all of a round waiting, so the batches it sees are the same in every run. */
static void run_count(uint64_t total, size_t connections) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection* all = open_all(connections, epoll);
    uint64_t sent = 0;
    while (sent < total) {
        size_t open = 0;
        for (; open < connections && sent < total; ++open, ++sent) send_request(all[open].fd);
        uint64_t last = now_ns();
        while (open > 0) {
            struct epoll_event events[EVENTS_MAX];
            int n = wait_for_answers(epoll, events, 1000);
            for (int i = 0; i < n; ++i) open -= (size_t)receive(events[i].data.ptr);
            if (n > 0) last = now_ns();
            else if (now_ns() - last > GIVE_UP_NS) die("%zu answers are missing", open);
        }
    }
    printf("{\"answers\": %llu}\n", (unsigned long long)sent);
}

static int by_value(const void* a, const void* b) {
    uint64_t x = *(const uint64_t*)a, y = *(const uint64_t*)b;
    return (x > y) - (x < y);
}

static double quantile_us(const uint64_t* sorted, uint64_t n, double q) {
    uint64_t i = (uint64_t)(q * (double)n);
    return (double)sorted[i < n ? i : n - 1] / 1e3;
}

static void print_latencies(uint64_t* latencies, uint64_t n, uint64_t late) {
    qsort(latencies, n, sizeof *latencies, by_value);
    printf("{\"answers\": %llu, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, "
           "\"max_us\": %.1f, \"late\": %llu}\n",
           (unsigned long long)n, quantile_us(latencies, n, 0.5), quantile_us(latencies, n, 0.9),
           quantile_us(latencies, n, 0.99), quantile_us(latencies, n, 1), (unsigned long long)late);
}

/* `late` counts the requests that left more than 50 us after they were due: because no connection
 * was free, or because this program was not given its core. */
static void run_rate(uint64_t rate, uint64_t seconds, size_t connections) {
    uint64_t total = rate * seconds, sent = 0, answered = 0, late = 0;
    uint64_t* latencies = malloc(total * sizeof *latencies);
    struct connection** idle = malloc(connections * sizeof(struct connection*));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection* all = open_all(connections, epoll);
    if (latencies == NULL || idle == NULL) die("memory");
    /* A ring, oldest first, so that all connections are used alike. */
    size_t first = 0, idle_n = connections;
    for (size_t i = 0; i < connections; ++i) idle[i] = &all[i];
    uint64_t start = now_ns() + 1000000, end = start + seconds * UINT64_C(1000000000) + GIVE_UP_NS;
    while (answered < total) {
        uint64_t now = now_ns(), due;
        while (sent < total && idle_n > 0 &&
               (due = start + sent * UINT64_C(1000000000) / rate) <= now) {
            struct connection* c = idle[first];
            first = (first + 1) % connections;
            --idle_n;
            c->due = due;
            late += now - due > 50000;
            send_request(c->fd);
            ++sent;
        }
        struct epoll_event events[EVENTS_MAX];
        int n = wait_for_answers(epoll, events, 0);
        now = now_ns();
        if (now > end) die("%llu answers are missing", (unsigned long long)(total - answered));
        for (int i = 0; i < n; ++i) {
            struct connection* c = events[i].data.ptr;
            if (!receive(c)) continue;
            uint64_t took = now - c->due;
            latencies[answered++] = took;
            idle[(first + idle_n++) % connections] = c;
        }
    }
    print_latencies(latencies, total, late);
}

static void run_idle(uint64_t connections) {
    static struct connection c;
    for (uint64_t i = 0; i < connections; ++i) {
        c.fd = connect_to_server(); /* stays open: the end of this process closes them all */
        send_request(c.fd);
        while (!receive(&c)) {}
    }
    printf("ready\n");
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
    printf("{\"connections\": %llu}\n", (unsigned long long)connections);
}

/* So many clients that wait for nothing but their answers: what the server can do. */
static void run_clients(uint64_t seconds, size_t connections) {
    enum { most = 5000000 };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection* all = open_all(connections, epoll);
    uint64_t* latencies = malloc(most * sizeof *latencies);
    if (latencies == NULL) die("memory");
    uint64_t answered = 0, last = now_ns(), begin = last + UINT64_C(1000000000);
    uint64_t end = begin + seconds * UINT64_C(1000000000);
    for (size_t i = 0; i < connections; ++i) {
        all[i].due = now_ns();
        send_request(all[i].fd);
    }
    for (uint64_t now = last; now < end;) {
        struct epoll_event events[EVENTS_MAX];
        int n = wait_for_answers(epoll, events, 10);
        now = now_ns();
        if (n > 0) last = now;
        else if (now - last > GIVE_UP_NS) die("no answers");
        for (int i = 0; i < n; ++i) {
            struct connection* c = events[i].data.ptr;
            if (!receive(c)) continue;
            if (now >= begin && now < end && answered < most) {
                uint64_t took = now - c->due;
                latencies[answered++] = took;
            }
            c->due = now_ns();
            send_request(c->fd);
        }
    }
    if (answered == 0) die("no answers");
    print_latencies(latencies, answered, 0);
}

static void begin_slow(struct connection* c, int epoll) {
    static const char head[] = "GET / HTTP/1.1\r\nHost: slow\r\nX-Slow: ";
    c->fd = connect_to_server();
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) die("epoll_ctl");
    if (send(c->fd, head, sizeof head - 1, MSG_NOSIGNAL) < 0) die("send: %s", strerror(errno));
}

/* A tenth of a second is the step: in each, one connection of fifty sends a byte. */
static void run_slow(size_t connections) {
    enum { rounds = 50 };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection* all = calloc(connections, sizeof *all);
    if (all == NULL) die("memory");
    for (size_t i = 0; i < connections; ++i) begin_slow(&all[i], epoll);
    struct epoll_event in = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &in) != 0) die("standard input: no pipe");
    printf("ready\n");
    fflush(stdout);
    uint64_t again = 0, step = 0, next = now_ns();
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int n = wait_for_answers(epoll, events, 20);
        for (int i = 0; i < n; ++i) {
            struct connection* c = events[i].data.ptr;
            if (c == NULL) {
                printf("{\"connections\": %zu, \"again\": %llu}\n", connections,
                       (unsigned long long)again);
                return;
            }
            close(c->fd); /* answered 408, or closed without a word */
            begin_slow(c, epoll);
            ++again;
        }
        if (now_ns() < next) continue;
        next += UINT64_C(100000000);
        for (size_t i = step++ % rounds; i < connections; i += rounds) {
            (void)!send(all[i].fd, "a", 1, MSG_NOSIGNAL);
        }
    }
}

static void run_probe(uint64_t requests) {
    static struct connection c;
    uint64_t* latencies = malloc(requests * sizeof *latencies);
    if (latencies == NULL) die("memory");
    for (uint64_t i = 0; i < requests; ++i) {
        uint64_t began = now_ns();
        c.fd = connect_to_server();
        send_request(c.fd);
        while (!receive(&c)) {}
        close(c.fd);
        uint64_t took = now_ns() - began;
        latencies[i] = took;
    }
    print_latencies(latencies, requests, 0);
}

int main(int argc, char** argv) {
    const char* mode = argc > 2 ? argv[1] : "";
    if (argc > 2) {
        port = (uint16_t)number(argv[2], 65535);
        request_n = (size_t)snprintf(request, sizeof request,
                                     "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", port);
    }
    if (strcmp(mode, "count") == 0 && argc == 5) {
        run_count(number(argv[3], UINT32_MAX), number(argv[4], 19000));
    } else if (strcmp(mode, "rate") == 0 && argc == 6) {
        run_rate(number(argv[3], 1000000), number(argv[4], 60), number(argv[5], 19000));
    } else if (strcmp(mode, "idle") == 0 && argc == 4) {
        run_idle(number(argv[3], 19000));
    } else if (strcmp(mode, "clients") == 0 && argc == 5) {
        run_clients(number(argv[3], 60), number(argv[4], 19000));
    } else if (strcmp(mode, "slow") == 0 && argc == 4) {
        run_slow(number(argv[3], 19000));
    } else if (strcmp(mode, "probe") == 0 && argc == 4) {
        run_probe(number(argv[3], 1000));
    } else {
        fprintf(stderr,
                "usage: %s count PORT REQUESTS CONNECTIONS\n"
                "       %s rate PORT RATE SECONDS CONNECTIONS\n"
                "       %s idle PORT CONNECTIONS\n"
                "       %s clients PORT SECONDS CONNECTIONS\n"
                "       %s slow PORT CONNECTIONS\n"
                "       %s probe PORT REQUESTS\n",
                argv[0], argv[0], argv[0], argv[0], argv[0], argv[0]);
        return 2;
    }
    return 0;
}
