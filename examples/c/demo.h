/* What the files of the demo server share.
 *
 *   demo_server.c    start, signals, the end          demo_options.c  the command line
 *   demo_routes.c    which function serves what       demo_pages.c    small answers
 *   demo_transfer.c  /echo, /upload, /trailers        demo_make.c     /bytes, /stream
 *   demo_slow.c      /slow                            demo_streams.c  exchanges under way
 *   demo_files.c     /files/: what is asked for ...   demo_path.c     ... where it is
 *   demo_listing.c   a directory as a page            demo_validate.c conditions, dates and ranges
 *   demo_ws.c        /ws/echo, /ws/chat, /chat     demo_sse.c      /sse/clock, /clock
 *   demo_text.c      text that grows; JSON, HTML      demo_answer.c   an answer in one call
 *
 * Requests are handled inline, on the workers; so every function here may run on several threads at
 * once, for different exchanges.
 */
#ifndef DEMO_H
#define DEMO_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <httpcore/httpcore.h>

/* Set up by main before the first request; not changed while there are any. */
struct demo {
    hc_runtime* runtime;
    hc_server* server;
    hc_queue* queue; /* what comes to the main thread: timers, the end */
    int folder;      /* the descriptor of the folder of /files/, -1 for none */
};
extern struct demo demo;

/* -- demo_options.c -- */

struct setting {
    const char* key; /* not zero-terminated: up to the "=" before `value` */
    size_t key_n;
    const char* value;
};

struct options {
    const char* host;
    int port;
    int tls_port;       /* -1 for none */
    const char* folder; /* NULL for none */
    struct setting settings[64];
    size_t nsettings;
};

/* Reads the command line. Answers -1 to go on, else the code to exit with (help was asked for, or
 * there was a mistake, of which the user was told). */
int options_read(struct options* options, int argc, char** argv);

/* "127.0.0.1:8080", "[::1]:8080" or "unix:/path": what "listen.address" takes. 0 when it is too
 * long. */
int options_address(const struct options* options, int port, char* out, size_t cap);
/* Whether a setting says how connections are encrypted. */
int setting_is_tls(const struct setting* setting);

/* -- demo_routes.c -- */

/* Adds every route and who handles it. */
hc_status routes_add(hc_server* server, int files, hc_error** error);

/* An event of a route; the functions that hc_inline takes. */
typedef void handler(void* arg, const hc_event* event);
handler serve_index, serve_hello, serve_status, serve_headers, serve_metrics; /* demo_pages.c */
handler serve_echo, serve_upload, serve_trailers;                             /* demo_transfer.c */
handler serve_bytes, serve_stream;                                            /* demo_make.c */
handler serve_slow;                                                           /* demo_slow.c */
handler serve_ws_echo, serve_ws_chat, serve_chat;                             /* demo_ws.c */
handler serve_clock, serve_clock_page;                                        /* demo_sse.c */
handler serve_files;                                                          /* demo_files.c */

/* Before the first request: makes what /bytes sends. */
void make_prepare(void);
/* What the clock wants of the server. */
hc_status clock_configure(hc_config* config);
/* The main thread: a timer without an exchange is due, which is the clock's. */
void clock_tick(void);
/* The main thread: the timer of a /slow is due. */
void slow_is_due(const hc_event* event);

/* -- demo_text.c -- */

/* Text that grows. Once memory ran out it stays as it is, and `failed` tells. */
struct text {
    char* p;
    size_t n, cap;
    int failed;
};

void text_add(struct text* text, const char* bytes, size_t n);
void text_puts(struct text* text, const char* zero_terminated);
/* At most 511 bytes. */
__attribute__((format(printf, 2, 3))) void text_printf(struct text* text, const char* format, ...);
/* As a JSON string in its quotes. Bytes beyond ASCII are taken for ISO 8859-1 (RFC 9110, section
 * 5.5, gives them no meaning), so that any bytes make valid JSON. */
void text_json(struct text* text, hc_str bytes);
/* With &, <, > and quotes escaped, for HTML text and attributes. */
void text_html(struct text* text, const char* bytes, size_t n);
/* Percent-encoded as one segment of a path (RFC 3986, section 3.3). */
void text_segment(struct text* text, const char* bytes, size_t n);
void text_free(struct text* text);

/* -- demo_answer.c -- */

hc_str str(const char* zero_terminated);
hc_header field(uint32_t token, const char* name, const char* value);
/* The whole answer, and the end of the exchange. */
void answer(hc_exchange exchange, int status, const char* type, const char* bytes, size_t n);
void answer_text(hc_exchange exchange, int status, const char* zero_terminated);
/* Takes the text; 500 when it has failed. */
void answer_built(hc_exchange exchange, const char* type, struct text* text);
/* The value of a field, the first of that name; p is NULL when there is none. */
hc_str head_value(const hc_head* head, uint32_t token);
/* Decimal digits and nothing else, at most `max`: 1, else 0. */
int parse_number(hc_str digits, uint64_t max, uint64_t* out);

/* -- demo_streams.c -- */

/* What is remembered of an exchange between two of its events. An event names its exchange by id
 * only, so there is a table. Only the worker of the exchange uses the stream. */
struct stream {
    hc_exchange exchange;
    struct stream* next;
    uint64_t done, left; /* bytes or chunks */
    int ended;           /* the request's body is complete */
    char* window;        /* received and not sent on yet */
    size_t waiting;      /* bytes in it */
};

/* NULL when memory runs out. */
struct stream* stream_open(hc_exchange exchange);
/* NULL when there is none. */
struct stream* stream_find(hc_exchange exchange);
/* Releases the exchange, too. */
void stream_end(struct stream* stream);

/* -- demo_path.c -- */

enum { PATH_BYTES_MAX = 4096 };

/* A decoded path below the folder, without slashes at its ends; "" is the folder itself. */
struct path {
    char text[PATH_BYTES_MAX];
    int is_folder; /* a slash stood at its end, or it is the folder itself */
};

/* From a raw path: 1, or 0 for one that names nothing here. Segments that are empty or begin with
 * a dot (so ".", ".." and hidden files), and encoded slashes and NULs name nothing. */
int path_decode(hc_str raw, struct path* path);
/* A descriptor of what `path` names below `folder`, or -1 with errno. Symbolic links are not
 * followed, so nothing leads out of the folder, or to what is hidden in it. */
int path_open(int folder, const char* path);

/* -- demo_listing.c -- */

/* Answers with a page of what is in `folder`, whose descriptor it takes. */
void answer_listing(hc_exchange exchange, int folder, const char* title);

/* -- demo_validate.c -- */

enum { ETAG_BYTES = 48, DATE_BYTES = 32 };

/* What tells one state of a file from another (RFC 9110, section 8.8). */
struct validators {
    char etag[ETAG_BYTES]; /* strong, in its quotes */
    char date[DATE_BYTES]; /* Last-Modified */
    time_t modified;
};

void validators_make(struct validators* made, uint64_t inode, uint64_t size, struct timespec when);
/* The preconditions of a GET or HEAD: 0 to go on, 304 or 412 (RFC 9110, section 13.2.2). */
int validators_judge(const struct validators* current, const hc_head* head);

struct range {
    uint64_t first, length;
};

/* The part of `size` bytes that a GET asks for (RFC 9110, sections 13.1.5 and 14.2): 206 with
 * `*range`, 416, or 200 for all of it. One range is honoured; several are answered with all. */
int range_judge(const struct validators* current, const hc_head* head, uint64_t size,
                struct range* range);

#endif
