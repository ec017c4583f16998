/* Server-sent events: /sse/clock tells the time, once a second.
 *
 * Every tick is published on a topic, which keeps the last ones: a client that lost its connection
 * comes back with Last-Event-ID and gets what it missed. The ticks are a timer whose events go to
 * the main thread's queue, from the first client on.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "examples/c/demo.h"

static const char topic[] = "clock";
enum { TOPIC = sizeof topic - 1 };
static const uint64_t second = 1000000000;
static atomic_flag ticking = ATOMIC_FLAG_INIT;

hc_status clock_configure(hc_config* config) {
    return hc_config_set(config, "sse.replay_events", "600", 3, NULL);
}

void clock_tick(void) {
    char text[64];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    const size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    hc_topic_publish(demo.server, topic, TOPIC, HC_WS_TEXT, text, n, 0);
    hc_timer(demo.queue, second, 0, NULL);
}

void serve_clock(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_CLOSED) hc_release(event->obj); /* the client left */
    if (event->type != HC_EV_REQUEST) return;
    /* The first event answers the request, and tells browsers to come back soon. */
    if (hc_send_sse(event->obj, "hello", NULL, "the clock", 9, 500, 0, 0) != HC_OK ||
        hc_topic_subscribe(event->obj, topic, TOPIC) != HC_OK) {
        hc_release(event->obj);
        return;
    }
    if (!atomic_flag_test_and_set(&ticking)) hc_timer(demo.queue, second, 0, NULL);
}

static const char clock_page[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Clock</title>\n"
    "<style>body{font:16px/1.5 sans-serif;text-align:center;margin-top:15vh}"
    "#time{font:5em monospace}#state{color:#888}</style>\n"
    "<h1>Clock</h1>\n<p id=\"time\">--:--:--</p>\n"
    "<p><span id=\"count\">0</span> ticks, the last with id <span id=\"id\">none</span></p>\n"
    "<p id=\"state\">connecting</p>\n"
    "<script>\n"
    "const at = id => document.getElementById(id);\n"
    "const events = new EventSource('/sse/clock');\n"
    "let count = 0;\n"
    "events.onopen = () => at('state').textContent = 'open';\n"
    "events.onerror = () => at('state').textContent = 'reconnecting';\n"
    "events.onmessage = event => {\n"
    "  at('time').textContent = event.data.slice(11, 19);\n"
    "  at('count').textContent = ++count;\n"
    "  at('id').textContent = event.lastEventId;\n"
    "};\n"
    "</script>\n</html>\n";

void serve_clock_page(void* arg, const hc_event* event) {
    (void)arg;
    if (event->type == HC_EV_CLOSED) hc_release(event->obj);
    if (event->type != HC_EV_REQUEST) return;
    answer(event->obj, 200, "text/html; charset=utf-8", clock_page, sizeof clock_page - 1);
}
