#include <pthread.h>
#include <stdlib.h>

#include "examples/c/demo.h"

enum { BUCKETS = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stream* buckets[BUCKETS];

/* The ids of one worker differ in bits 0 to 47: the generation below, the slot above it. */
static struct stream** bucket_of(hc_exchange exchange) {
    return &buckets[(exchange ^ exchange >> 28) * 0x9e3779b97f4a7c15U >> 52];
}

struct stream* stream_open(hc_exchange exchange) {
    struct stream* stream = calloc(1, sizeof *stream);
    if (stream == NULL) return NULL;
    struct stream** bucket = bucket_of(exchange);
    stream->exchange = exchange;
    pthread_mutex_lock(&lock);
    stream->next = *bucket;
    *bucket = stream;
    pthread_mutex_unlock(&lock);
    return stream;
}

struct stream* stream_find(hc_exchange exchange) {
    pthread_mutex_lock(&lock);
    struct stream* stream = *bucket_of(exchange);
    while (stream != NULL && stream->exchange != exchange) stream = stream->next;
    pthread_mutex_unlock(&lock);
    return stream;
}

void stream_end(struct stream* stream) {
    pthread_mutex_lock(&lock);
    struct stream** place = bucket_of(stream->exchange);
    while (*place != stream) place = &(*place)->next;
    *place = stream->next;
    pthread_mutex_unlock(&lock);
    hc_release(stream->exchange);
    free(stream->window);
    free(stream);
}
