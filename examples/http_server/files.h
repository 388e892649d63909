/* files.h: what http_server.c gives out of its directory: regular files below it, by names that
 * http_decode has let through. Each directory on the way is opened by itself and no link is
 * followed, so no name leads out of it, whatever somebody does to the tree meanwhile. */
#ifndef HTTP_SERVER_FILES_H
#define HTTP_SERVER_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 1024 };

typedef struct file_type {
    const char *ending;
    const char *type;
} file_type;

static const char *file_type_of(const char *path)
{
    static const file_type types[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/plain; charset=utf-8"},
        {"json", "application/json"},
        {"xml", "application/xml"},
        {"pdf", "application/pdf"},
        {"wasm", "application/wasm"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"ico", "image/x-icon"},
        {"woff2", "font/woff2"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(dot + 1, types[i].ending) == 0) return types[i].type;
    }
    return "application/octet-stream";
}

/* What the system says about a name, as a status: only what is not the client's business and not
 * for ever is told apart. */
static int file_status(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM: return 503;
    case ENAMETOOLONG: return 414;
    default: return 404;
    }
}

/* Opens a file. 0 and *out, or a status. `path` is written to and given back as it was, but for
 * the index that it gets when it is empty or ends with a slash. */
static int file_open(int root, char path[PATH_BYTES_MAX], int *out, uint64_t *bytes)
{
    static const char index[] = "index.html";
    struct stat what;
    size_t count = strlen(path);
    char *name = path;
    char *slash;
    int at = root;
    int fd;
    if (count == 0 || path[count - 1] == '/') {
        if (count + sizeof index > PATH_BYTES_MAX) return 414;
        memcpy(path + count, index, sizeof index);
    }
    while (at >= 0 && (slash = strchr(name, '/')) != NULL) { /* each step takes a slash */
        int inner;
        int error;
        *slash = '\0';
        inner = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        error = errno;
        *slash = '/';
        if (at != root) (void)close(at);
        if (inner < 0) return file_status(error);
        at = inner;
        name = slash + 1;
    }
    /* O_NONBLOCK: a pipe would wait for somebody who writes. */
    fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        if (at != root) (void)close(at);
        return file_status(error);
    }
    if (at != root) (void)close(at);
    if (fstat(fd, &what) < 0 || !S_ISREG(what.st_mode)) {
        (void)close(fd);
        return 404;
    }
    *out = fd;
    *bytes = (uint64_t)what.st_size;
    return 0;
}

#endif
