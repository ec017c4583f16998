/* /files/: the files of a folder, with ranges and conditions.
 *
 * Hidden files (a name that begins with a dot), symbolic links, and all that is neither file nor
 * folder are 404. A folder is its index.html, or a page of links. Files are opened on the worker:
 * a slow disk holds up its other connections, which a server for production would not accept. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examples/c/demo.h"

static const char* type_of(const char* name) {
    static const struct {
        const char* suffix;
        const char* type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".htm", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
        {".md", "text/markdown; charset=utf-8"},
        {".csv", "text/csv; charset=utf-8"},
        {".xml", "application/xml"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".ico", "image/vnd.microsoft.icon"},
        {".pdf", "application/pdf"},
        {".wasm", "application/wasm"},
        {".woff2", "font/woff2"},
        {".mp3", "audio/mpeg"},
        {".mp4", "video/mp4"},
        {".webm", "video/webm"},
        {".gz", "application/gzip"},
        {".zip", "application/zip"},
        {".tar", "application/x-tar"},
    };
    const char* suffix = strrchr(name, '.');
    for (size_t i = 0; suffix != NULL && i < sizeof types / sizeof types[0]; ++i)
        if (strcasecmp(suffix, types[i].suffix) == 0) return types[i].type;
    return "application/octet-stream";
}

/* Takes `fd`. With a status of 200 or 206 the part of the file in `range` follows. */
static void send_part(hc_exchange x, int fd, int status, const hc_header* fields, size_t n,
                      const struct range* range, int head_only) {
    if (hc_respond(x, status, fields, n, NULL, 0, 0, 0) != HC_OK) {
        hc_release(x);
    } else if (head_only || range->length == 0) {
        hc_finish(x, NULL, 0);
        hc_release(x);
    } else if (hc_send_file(x, fd, range->first, range->length, HC_FIN | HC_RELEASE,
                            (uint64_t)fd) == HC_OK) {
        return; /* HC_EV_SENT brings the descriptor back */
    } else {
        hc_release(x);
    }
    close(fd);
}

/* Takes `fd`, an open regular file. */
static void answer_file(hc_exchange x, const hc_head* head, int fd, const struct stat* facts,
                        const char* name) {
    const uint64_t size = (uint64_t)facts->st_size;
    struct validators current;
    struct range range = {0, size};
    char length[24], content_range[80];
    validators_make(&current, facts->st_ino, size, facts->st_mtim);
    int status = validators_judge(&current, head);
    if (status == 0) status = range_judge(&current, head, size, &range);

    hc_header fields[7] = {
        field(HC_FIELD_ETAG, "etag", current.etag),
        field(HC_FIELD_LAST_MODIFIED, "last-modified", current.date),
        field(HC_FIELD_ACCEPT_RANGES, "accept-ranges", "bytes"),
    };
    size_t n = 3;
    if (status == 416) {
        snprintf(content_range, sizeof content_range, "bytes */%llu", (unsigned long long)size);
        fields[n++] = field(HC_FIELD_CONTENT_RANGE, "content-range", content_range);
    }
    if (status >= 300) { /* 304, 412, 416: no content */
        close(fd);
        if (hc_respond(x, status, fields, n, NULL, 0, HC_FIN | HC_RELEASE, 0) != HC_OK)
            hc_release(x);
        return;
    }
    if (status == 206) {
        snprintf(content_range, sizeof content_range, "bytes %llu-%llu/%llu",
                 (unsigned long long)range.first,
                 (unsigned long long)(range.first + range.length - 1), (unsigned long long)size);
        fields[n++] = field(HC_FIELD_CONTENT_RANGE, "content-range", content_range);
    }
    snprintf(length, sizeof length, "%llu", (unsigned long long)range.length);
    fields[n++] = field(HC_FIELD_CONTENT_TYPE, "content-type", type_of(name));
    fields[n++] = field(HC_FIELD_CONTENT_LENGTH, "content-length", length);
    fields[n++] = field(HC_FIELD_X_CONTENT_TYPE_OPTIONS, "x-content-type-options", "nosniff");
    send_part(x, fd, status, fields, n, &range, head->method_token == HC_METHOD_HEAD);
}

/* The same path with a slash behind it, so that the links of the folder's page are right. */
static void answer_redirect(hc_exchange x, const hc_head* head) {
    struct text location = {0};
    text_add(&location, head->path.p, head->path.n);
    text_puts(&location, "/");
    if (head->flags & HC_HEADF_QUERY) {
        text_puts(&location, "?");
        text_add(&location, head->query.p, head->query.n);
    }
    const hc_header fields[] = {
        {.name = str("location"), .value = {location.p, location.n}, .token = HC_FIELD_LOCATION},
    };
    if (location.failed ||
        hc_respond(x, 301, fields, 1, NULL, 0, HC_FIN | HC_RELEASE, 0) != HC_OK) {
        hc_release(x);
    }
    text_free(&location);
}

/* Takes `fd`, an open folder. */
static void answer_folder(hc_exchange x, const hc_head* head, int fd, const char* title) {
    struct stat facts;
    const int index = path_open(fd, "index.html");
    if (index >= 0 && fstat(index, &facts) == 0 && S_ISREG(facts.st_mode)) {
        close(fd);
        answer_file(x, head, index, &facts, "index.html");
        return;
    }
    if (index >= 0) close(index);
    answer_listing(x, fd, title);
}

static void answer_failure(hc_exchange x, int why) {
    if (why == EMFILE || why == ENFILE || why == ENOMEM) {
        answer_text(x, 503, "Too many files are open.\n");
    } else if (why == EIO) {
        answer_text(x, 500, "The file cannot be read.\n");
    } else {
        answer_text(x, 404, "Not Found\n"); /* what must not be read is not there */
    }
}

static void answer_path(hc_exchange x, const hc_head* head) {
    struct path path;
    struct stat facts;
    if (!path_decode(head->params[0].value, &path)) {
        answer_failure(x, ENOENT);
        return;
    }
    const int fd = path_open(demo.folder, path.text);
    if (fd < 0 || fstat(fd, &facts) != 0) {
        const int why = errno;
        if (fd >= 0) close(fd);
        answer_failure(x, why);
    } else if (S_ISDIR(facts.st_mode) && path.is_folder) {
        answer_folder(x, head, fd, path.text);
    } else if (S_ISDIR(facts.st_mode)) {
        close(fd);
        answer_redirect(x, head);
    } else if (S_ISREG(facts.st_mode) && !path.is_folder) {
        answer_file(x, head, fd, &facts, path.text);
    } else {
        close(fd);
        answer_failure(x, ENOENT);
    }
}

void serve_files(void* arg, const hc_event* event) {
    const hc_head* head = NULL;
    (void)arg;
    switch (event->type) {
    case HC_EV_REQUEST:
        if (hc_head_get(event->obj, &head) == HC_OK) {
            answer_path(event->obj, head);
        } else {
            hc_release(event->obj);
        }
        break;
    case HC_EV_SENT: close((int)event->token); break;
    case HC_EV_CLOSED: hc_release(event->obj); break;
    default: break;
    }
}
