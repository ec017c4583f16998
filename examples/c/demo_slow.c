/* /slow?ms=N: an answer after a while. The wait is a timer, whose event goes to the main thread's
 * queue and carries the exchange in its token: no thread waits, and nothing is remembered. */
#include <string.h>

#include "examples/c/demo.h"

enum { MS_DEFAULT = 1000, MS_MAX = 60000 };

/* Finds "ms" in a query; 0 when its value is no number, or too large. */
static int read_ms(hc_str query, uint64_t* ms) {
    const char* at = query.p;
    const char* end = query.p + query.n;
    *ms = MS_DEFAULT;
    while (at < end) {
        const char* next = memchr(at, '&', (size_t)(end - at));
        if (next == NULL) next = end;
        if (next - at >= 3 && memcmp(at, "ms=", 3) == 0)
            return parse_number((hc_str){at + 3, (size_t)(next - at) - 3}, MS_MAX, ms);
        at = next < end ? next + 1 : end;
    }
    return 1;
}

void serve_slow(void* arg, const hc_event* event) {
    const hc_head* head = NULL;
    uint64_t ms = 0;
    (void)arg;
    if (event->type == HC_EV_CLOSED) hc_release(event->obj); /* the timer will find it gone */
    if (event->type != HC_EV_REQUEST) return;
    if (hc_head_get(event->obj, &head) != HC_OK) {
        hc_release(event->obj);
        return;
    }
    if (!read_ms(head->query, &ms)) {
        answer_text(event->obj, 400, "ms is a number from 0 to 60000.\n");
    } else if (hc_timer(demo.queue, ms * 1000000, event->obj, NULL) != HC_OK) {
        answer_text(event->obj, 503, "There are too many timers.\n");
    }
}

void slow_is_due(const hc_event* event) {
    if (event->token == 0) {
        if (event->status == HC_OK) clock_tick();
        return;
    }
    if (event->status == HC_OK) answer_text(event->token, 200, "That was slow.\n");
}
