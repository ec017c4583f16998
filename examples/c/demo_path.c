/* From the path of a URL to a descriptor, without a way out of the folder. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#include "examples/c/demo.h"

/* A file is opened for reading; O_NONBLOCK, so that a pipe in the folder does not stop a worker. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* One byte of a percent-encoded text; -1 for a bad encoding. Moves `*i` behind it. */
static int next_byte(hc_str raw, size_t* i) {
    const unsigned char c = (unsigned char)raw.p[(*i)++];
    if (c != '%') return c;
    if (raw.n - *i < 2) return -1;
    const int high = hex_value(raw.p[*i]), low = hex_value(raw.p[*i + 1]);
    *i += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int path_decode(hc_str raw, struct path* path) {
    size_t n = 0, segment = 0; /* bytes so far; where the segment began */
    path->is_folder = raw.n == 0;
    for (size_t i = 0; i < raw.n;) {
        const int encoded = raw.p[i] == '%';
        const int c = next_byte(raw, &i);
        if (c <= 0 || (c == '/' && encoded)) return 0;
        if (c == '/') {
            if (n == segment) return 0; /* an empty segment */
            if (i == raw.n) {
                path->is_folder = 1;
                break;
            }
            segment = n + 1;
        } else if (c == '.' && n == segment) {
            return 0; /* "." and "..", and what is hidden */
        }
        if (n + 1 >= sizeof path->text) return 0;
        path->text[n++] = (char)c;
    }
    path->text[n] = '\0';
    return 1;
}

/* Segment by segment, where the kernel has no openat2. */
static int open_by_steps(int folder, const char* path) {
    char segment[PATH_BYTES_MAX];
    int at = folder;
    for (;;) {
        const size_t n = strcspn(path, "/");
        if (n >= sizeof segment) break;
        memcpy(segment, path, n);
        segment[n] = '\0';
        const int last = path[n] == '\0';
        const int flags = OPEN_FLAGS | O_NOFOLLOW | (last ? 0 : O_DIRECTORY);
        const int next = openat(at, n == 0 ? "." : segment, flags);
        const int why = errno;
        if (at != folder) close(at);
        errno = why;
        if (next < 0 || last) return next;
        at = next;
        path += n + 1;
    }
    if (at != folder) close(at);
    errno = ENAMETOOLONG;
    return -1;
}

int path_open(int folder, const char* path) {
#ifdef SYS_openat2
    const struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    const char* name = path[0] == '\0' ? "." : path;
    const long fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
    /* EPERM: some sandboxes forbid system calls that they do not know. */
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return (int)fd;
#endif
    return open_by_steps(folder, path);
}
