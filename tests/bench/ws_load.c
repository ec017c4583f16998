/* WebSocket load: messages in flight on many connections, one publisher with many subscribers, and
 * connections that are idle.
 *
 *   bench_ws_load echo PORT CONNECTIONS IN_FLIGHT BYTES SECONDS
 *   bench_ws_load count PORT CONNECTIONS IN_FLIGHT BYTES MESSAGES     for instruction counts
 *   bench_ws_load fanout PORT SUBSCRIBERS BURST BYTES SECONDS [deflate]
 *   bench_ws_load idle PORT CONNECTIONS PATH
 *
 * Once all are connected "ready" is printed. echo and fanout begin with the next line of standard
 * input, print one JSON object, and hold their connections until standard input ends, as idle does;
 * so whoever watches the server can leave connecting and closing out. Ends with 1 and says what
 * went wrong when any answer is not what was sent.
 *
 * echo, count: a connection has always IN_FLIGHT messages under way: as many are sent at once as
 * echoes have arrived. fanout: a burst is published in one write, the next when all subscribers
 * have all of it. Frames are masked beforehand, and answers are counted by their frames. */
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

#define EVENTS_MAX 512
#define BUFFER_BYTES 65536
#define BATCH_MAX 256
#define SECOND_NS UINT64_C(1000000000)
#define GIVE_UP_NS (10 * SECOND_NS)
/* So many connections share one address of ours: each has its own ephemeral ports. */
#define PORTS_OF_ADDRESS 20000

struct connection {
    int fd;
    uint32_t head_n; /* bytes of a frame's head so far */
    uint64_t left;   /* bytes of its payload that are still to come */
    char head[10];
    char is_data;
};

static uint16_t port;
static uint64_t message_bytes; /* 0: any size will do, since it is compressed */
static char* frames;           /* BATCH_MAX of the same masked frame */
static size_t frame_n;
static char buffer[BUFFER_BYTES];

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
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static uint64_t number(const char* text, uint64_t max) {
    char* end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value == 0 || value > max) die("not a number: %s", text);
    return value;
}

/* -- connecting -------------------------------------------------------------------------------- */

static int connect_to_server(uint64_t index) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(index / PORTS_OF_ADDRESS));
    if (bind(fd, (struct sockaddr*)&from, sizeof from) != 0) die("bind: %s", strerror(errno));
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) die("connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Closing resets: nothing stays behind in TIME_WAIT to disturb the next run. */
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    return fd;
}

static void send_all(int fd, const char* bytes, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) continue; /* the server reads: it has a core of its own */
        if (sent < 0) die("send: %s", strerror(errno));
        bytes += sent;
        n -= (size_t)sent;
    }
}

static void open_socket(struct connection* c, const char* path, int deflate, uint64_t index) {
    static const char offer[] =
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
        "client_no_context_takeover\r\n";
    char text[1024];
    size_t n = 0;
    int asked = snprintf(text, sizeof text,
                         "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                         path, port, deflate ? offer : "");
    memset(c, 0, sizeof *c);
    c->fd = connect_to_server(index);
    send_all(c->fd, text, (size_t)asked);
    do {
        ssize_t got = recv(c->fd, text + n, sizeof text - 1 - n, 0);
        if (got <= 0) die("no answer to the handshake: %s", got < 0 ? strerror(errno) : "ended");
        n += (size_t)got;
        text[n] = '\0';
    } while (n < 4 || strcmp(text + n - 4, "\r\n\r\n") != 0);
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0) die("not a 101:\n%s", text);
    if (deflate && strcasestr(text, "permessage-deflate") == NULL) die("no permessage-deflate");
}

static void watch(struct connection* c, int epoll) {
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) die("epoll_ctl: %s", strerror(errno));
}

static struct connection* open_all(size_t count, const char* path, int deflate, int epoll) {
    struct connection* all = calloc(count, sizeof *all);
    if (all == NULL) die("memory");
    for (size_t i = 0; i < count; ++i) {
        open_socket(&all[i], path, deflate, i);
        if (epoll >= 0) watch(&all[i], epoll);
    }
    return all;
}

static void wait_for_line(void) {
    char line[16];
    printf("ready\n");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL) exit(0);
}

static void hold_until_end(void) {
    fflush(stdout);
    while (getchar() != EOF) {}
}

/* -- frames ------------------------------------------------------------------------------------ */

/* Text as a program may send it, in a masked frame, BATCH_MAX times. */
static void make_frames(uint64_t bytes, int deflate) {
    static const char words[] =
        "{\"topic\":\"news\",\"kind\":\"update\",\"price\":10732,\"size\":25}, ";
    const unsigned char mask[4] = {0x5a, 0x17, 0xc3, 0x88};
    if (bytes > 0xFFFF) die("too long a message");
    const size_t head_n = bytes <= 125 ? 6 : 8;
    message_bytes = deflate ? 0 : bytes;
    frame_n = head_n + (size_t)bytes;
    frames = malloc(BATCH_MAX * frame_n);
    if (frames == NULL) die("memory");
    char* at = frames;
    *at++ = (char)0x81;
    *at++ = (char)(0x80 | (bytes <= 125 ? bytes : 126));
    if (bytes > 125) {
        *at++ = (char)(bytes >> 8);
        *at++ = (char)(bytes & 0xFF);
    }
    memcpy(at, mask, 4);
    at += 4;
    for (uint64_t i = 0; i < bytes; ++i) {
        at[i] = (char)((unsigned char)words[i % (sizeof words - 1)] ^ mask[i % 4]);
    }
    for (int i = 1; i < BATCH_MAX; ++i) memcpy(frames + (size_t)i * frame_n, frames, frame_n);
}

static void send_frames(const struct connection* c, uint64_t count) {
    for (; count > 0;) {
        const uint64_t now = count < BATCH_MAX ? count : BATCH_MAX;
        send_all(c->fd, frames, now * frame_n);
        count -= now;
    }
}

/* The head of a frame is there: true when it is complete. Ends the program when it is another than
 * was sent; what a server sends of itself (a ping) is let be. */
static int read_head(struct connection* c) {
    const unsigned char* head = (const unsigned char*)c->head;
    if (c->head_n < 2) return 0;
    const unsigned length = head[1];
    if (length > 127) die("a masked frame");
    const uint32_t needed = length == 126 ? 4 : length == 127 ? 10 : 2;
    if (c->head_n < needed) return 0;
    c->left = length;
    if (length >= 126) {
        c->left = 0;
        for (uint32_t i = 2; i < needed; ++i) c->left = c->left << 8 | head[i];
    }
    c->is_data = (head[0] & 0x0F) == 1;
    if (!c->is_data && (head[0] & 8) == 0) die("a frame of another kind: %02x", head[0]);
    if ((head[0] & 0x0F) == 8) die("the server said Close");
    if (c->is_data && (head[0] & 0x80) == 0) die("a fragment");
    if (c->is_data && message_bytes != 0 && c->left != message_bytes) {
        die("a message of %llu bytes", (unsigned long long)c->left);
    }
    c->head_n = 0;
    return 1;
}

/* Messages that are complete with these bytes. */
static uint64_t count_frames(struct connection* c, const char* bytes, size_t n) {
    uint64_t found = 0;
    const char* const end = bytes + n;
    while (bytes < end) {
        if (c->left == 0) {
            c->head[c->head_n++] = *bytes++;
            if (!read_head(c)) continue;
        }
        const uint64_t here = (uint64_t)(end - bytes) < c->left ? (uint64_t)(end - bytes) : c->left;
        bytes += here;
        c->left -= here;
        if (c->left == 0 && c->is_data) ++found;
    }
    return found;
}

static uint64_t receive(struct connection* c) {
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n < 0) die("recv: %s", strerror(errno));
    if (n == 0) die("a connection was closed");
    return count_frames(c, buffer, (size_t)n);
}

static int wait_for_events(int epoll, struct epoll_event* events) {
    int n = epoll_wait(epoll, events, EVENTS_MAX, 100);
    if (n < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    return n < 0 ? 0 : n;
}

/* -- works ------------------------------------------------------------------------------------- */

/* Until `seconds` are over, or `messages` have come; what is in flight then is waited for. */
static void echo(size_t connections, uint64_t in_flight, uint64_t seconds, uint64_t messages) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection* all = open_all(connections, "/echo", 0, epoll);
    if (seconds > 0) wait_for_line();
    const uint64_t began = now_ns(), end = began + seconds * SECOND_NS;
    uint64_t last = began, sent = 0, echoed = 0, now = began;
    for (size_t i = 0; i < connections; ++i) {
        send_frames(&all[i], in_flight);
        sent += in_flight;
    }
    while (echoed < sent) {
        struct epoll_event events[EVENTS_MAX];
        int n = wait_for_events(epoll, events);
        now = now_ns();
        if (n > 0) last = now;
        else if (now - last > GIVE_UP_NS)
            die("%llu echoes are missing", (unsigned long long)(sent - echoed));
        for (int i = 0; i < n; ++i) {
            struct connection* c = events[i].data.ptr;
            const uint64_t got = receive(c);
            echoed += got;
            if (seconds > 0 ? now >= end : sent >= messages) continue;
            send_frames(c, got);
            sent += got;
        }
    }
    printf("{\"messages\": %llu, \"seconds\": %.3f}\n", (unsigned long long)echoed,
           (double)(now - began) / 1e9);
    if (seconds > 0) hold_until_end();
}

static void fanout(size_t subscribers, uint64_t burst, uint64_t seconds, int deflate) {
    struct connection publisher;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    open_all(subscribers, "/sub", deflate, epoll);
    open_socket(&publisher, "/pub", 0, subscribers);
    wait_for_line();
    const uint64_t began = now_ns(), end = began + seconds * SECOND_NS;
    uint64_t delivered = 0, now = began;
    do {
        const uint64_t due = delivered + burst * subscribers;
        uint64_t last = now;
        send_frames(&publisher, burst);
        while (delivered < due) {
            struct epoll_event events[EVENTS_MAX];
            int n = wait_for_events(epoll, events);
            now = now_ns();
            if (n > 0) last = now;
            else if (now - last > GIVE_UP_NS)
                die("%llu are missing", (unsigned long long)(due - delivered));
            for (int i = 0; i < n; ++i) delivered += receive(events[i].data.ptr);
        }
        if (delivered != due) die("more messages than were published");
    } while (now < end);
    printf("{\"messages\": %llu, \"seconds\": %.3f}\n", (unsigned long long)delivered,
           (double)(now - began) / 1e9);
    hold_until_end();
}

int main(int argc, char** argv) {
    const char* mode = argc > 3 ? argv[1] : "";
    if (argc > 3) port = (uint16_t)number(argv[2], 65535);
    const size_t connections = argc > 3 ? number(argv[3], 60000) : 0;
    const int deflate = argc == 8 && strcmp(argv[7], "deflate") == 0;
    if ((strcmp(mode, "echo") == 0 || strcmp(mode, "count") == 0) && argc == 7) {
        make_frames(number(argv[5], 60000), 0);
        const uint64_t until = number(argv[6], 1000000000);
        const int counts = strcmp(mode, "count") == 0;
        echo(connections, number(argv[4], BATCH_MAX), counts ? 0 : until, counts ? until : 0);
    } else if (strcmp(mode, "fanout") == 0 && (argc == 7 || deflate)) {
        make_frames(number(argv[5], 60000), deflate);
        fanout(connections, number(argv[4], BATCH_MAX), number(argv[6], 60), deflate);
    } else if (strcmp(mode, "idle") == 0 && argc == 5) {
        open_all(connections, argv[4], 0, -1);
        printf("ready\n");
        hold_until_end();
    } else {
        fprintf(stderr,
                "usage: %s echo PORT CONNECTIONS IN_FLIGHT BYTES SECONDS\n"
                "       %s count PORT CONNECTIONS IN_FLIGHT BYTES MESSAGES\n"
                "       %s fanout PORT SUBSCRIBERS BURST BYTES SECONDS [deflate]\n"
                "       %s idle PORT CONNECTIONS PATH\n",
                argv[0], argv[0], argv[0], argv[0]);
        return 2;
    }
    return 0;
}
