/* A folder as a page of links. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examples/c/demo.h"

enum { ENTRIES_MAX = 10000 };

struct entries {
    char** names; /* those of folders end in a slash */
    size_t n, cap;
};

static int by_name(const void* a, const void* b) {
    return strcmp(*(char* const*)a, *(char* const*)b);
}

/* Only what a request could get: files and folders that are not hidden. */
static void add_entry(struct entries* entries, int folder, const char* name) {
    struct stat facts;
    if (name[0] == '.' || fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (!S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode)) return;
    if (entries->n == entries->cap) {
        const size_t cap = entries->cap * 2 + 64;
        char** names = realloc(entries->names, cap * sizeof *names);
        if (names == NULL) return;
        entries->names = names;
        entries->cap = cap;
    }
    const size_t n = strlen(name);
    char* copy = malloc(n + 2);
    if (copy == NULL) return;
    memcpy(copy, name, n);
    memcpy(copy + n, S_ISDIR(facts.st_mode) ? "/" : "", S_ISDIR(facts.st_mode) ? 2 : 1);
    entries->names[entries->n++] = copy;
}

static void add_link(struct text* page, const char* name) {
    const size_t n = strlen(name);
    const int is_folder = n > 0 && name[n - 1] == '/';
    /* "./" keeps a name with a colon from being read as a scheme. */
    text_puts(page, "<li><a href=\"./");
    text_segment(page, name, is_folder ? n - 1 : n);
    text_puts(page, is_folder ? "/\">" : "\">");
    text_html(page, name, n);
    text_puts(page, "</a>\n");
}

static void write_page(struct text* page, const struct entries* entries, const char* title,
                       int is_cut) {
    text_puts(page, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>/files/");
    text_html(page, title, strlen(title));
    text_puts(page, "</title>\n<h1>/files/");
    text_html(page, title, strlen(title));
    text_puts(page, "</h1>\n<ul>\n");
    if (title[0] != '\0') text_puts(page, "<li><a href=\"../\">../</a>\n");
    for (size_t i = 0; i < entries->n; ++i) add_link(page, entries->names[i]);
    text_puts(page, "</ul>\n");
    if (is_cut) text_printf(page, "<p>Only the first %d that were found.\n", ENTRIES_MAX);
}

void answer_listing(hc_exchange exchange, int folder, const char* title) {
    struct entries entries = {0};
    struct text page = {0};
    const struct dirent* entry = NULL;
    DIR* opened = fdopendir(folder);
    if (opened == NULL) {
        close(folder);
        answer_text(exchange, 500, "The folder cannot be read.\n");
        return;
    }
    while (entries.n < ENTRIES_MAX && (entry = readdir(opened)) != NULL)
        add_entry(&entries, folder, entry->d_name);
    closedir(opened);
    if (entries.n > 0) qsort(entries.names, entries.n, sizeof *entries.names, by_name);
    write_page(&page, &entries, title, entry != NULL);
    for (size_t i = 0; i < entries.n; ++i) free(entries.names[i]);
    free(entries.names);
    answer_built(exchange, "text/html; charset=utf-8", &page);
}
