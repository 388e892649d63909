/* http_client.c: drives examples/http_server for http_server.sh.
 *
 *     http_client make DIR             the files that the server is to give out
 *     http_client PORT CASES           all, limit, idle, lifetime: runs these, a line for each
 *
 * Ends with "http_client: N passed, N failed, 0 skipped". */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE 1

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WAIT_MS = 10000, BIG_BYTES = 300007, TEXT_BYTES = 400000, CROWD = 200, PIPELINED = 20,
    KEPT = 100, MANY_IN_ONE = 400
};

static uint16_t port;
static uint32_t passed, failed;
static bool good; /* of the case that runs */
static char text[TEXT_BYTES];

static void miss(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("    ");
    (void)vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    good = false;
}

/* ---- Files ------------------------------------------------------------------------------ */

static char big_byte(uint32_t i)
{
    return (char)(i * 2654435761u >> 13);
}

static void put_file(const char *path, const char *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, count, file) != count || fclose(file) != 0) {
        fprintf(stderr, "http_client: %s: %s\n", path, strerror(errno));
        exit(1);
    }
}

static int make_files(const char *dir)
{
    uint32_t i;
    for (i = 0; i < BIG_BYTES; i++) text[i] = big_byte(i);
    if (chdir(dir) < 0 || mkdir("root", 0755) < 0 || mkdir("root/sub", 0755) < 0) return 1;
    put_file("outside.txt", "secret\n", 7);
    put_file("root/index.html", "<p>hello\n", 9);
    put_file("root/sub/index.html", "<p>below\n", 9);
    put_file("root/empty", "", 0);
    put_file("root/.hidden", "secret\n", 7);
    put_file("root/a b%.txt", "odd\n", 4);
    put_file("root/big.bin", text, BIG_BYTES);
    if (symlink("../outside.txt", "root/link.txt") < 0 || symlink("..", "root/up") < 0) return 1;
    return mkfifo("root/fifo", 0644) < 0 ? 1 : 0;
}

/* ---- Connections ------------------------------------------------------------------------- */

static int dial(void)
{
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        printf("http_client: connect: %s\n", strerror(errno));
        exit(1);
    }
    return fd;
}

static void say_bytes(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0) return; /* what is answered will tell */
        bytes += sent;
        count -= (size_t)sent;
    }
}

static void say(int fd, const char *words)
{
    say_bytes(fd, words, strlen(words));
}

/* Bytes that come within some time; 0 at the end, or below: nothing, or a reset. */
static ssize_t hear(int fd, char *out, size_t most)
{
    struct pollfd one;
    one.fd = fd;
    one.events = POLLIN;
    one.revents = 0;
    if (poll(&one, 1, WAIT_MS) != 1) return -2;
    return recv(fd, out, most, 0);
}

/* ---- Answers ----------------------------------------------------------------------------- */

typedef struct answer {
    int status;
    bool closes;     /* it says so */
    size_t length;   /* Content-Length */
    size_t head;     /* bytes of the head in `text`, where the body follows */
    size_t bytes;    /* in `text` */
    char type[64];
} answer;

static const char *header(const char *name)
{
    static char value[200];
    const char *at = strstr(text, name);
    size_t i = 0;
    if (at == NULL) return "";
    for (at += strlen(name); at[i] != '\r' && at[i] != '\0' && i + 1 < sizeof value; i++) {
        value[i] = at[i];
    }
    value[i] = '\0';
    return value;
}

/* Reads one answer byte by byte up to its head, so that nothing of the next one is taken. */
static answer get(int fd, bool head_only)
{
    answer a;
    memset(&a, 0, sizeof a);
    while (a.bytes + 1 < TEXT_BYTES) {
        if (hear(fd, text + a.bytes, 1) != 1) return a;
        a.bytes++;
        text[a.bytes] = '\0';
        if (a.bytes >= 4 && memcmp(text + a.bytes - 4, "\r\n\r\n", 4) == 0) break;
    }
    a.head = a.bytes;
    if (memcmp(text, "HTTP/1.1 ", 9) != 0) miss("no status line: %.40s", text);
    if (header("\nDate: ")[0] == '\0' && memcmp(text + 9, "503", 3) != 0) miss("no date");
    a.length = strtoul(header("\nContent-Length: "), NULL, 10);
    a.closes = strcmp(header("\nConnection: "), "close") == 0;
    (void)snprintf(a.type, sizeof a.type, "%s", header("\nContent-Type: "));
    if (a.head + a.length + 1 >= TEXT_BYTES) {
        miss("%zu bytes are too many", a.length);
        return a;
    }
    while (!head_only && a.bytes < a.head + a.length) {
        ssize_t more = hear(fd, text + a.bytes, a.head + a.length - a.bytes);
        if (more <= 0) {
            miss("the body ends after %zu of %zu bytes", a.bytes - a.head, a.length);
            return a;
        }
        a.bytes += (size_t)more;
    }
    text[a.bytes] = '\0';
    a.status = (int)strtol(text + 9, NULL, 10);
    return a;
}

static void expect(answer a, int status, const char *body)
{
    if (a.status != status) miss("status %d, not %d", a.status, status);
    if (body == NULL) return;
    if (a.bytes - a.head != strlen(body) || memcmp(text + a.head, body, strlen(body)) != 0) {
        miss("another body: %.60s", text + a.head);
    }
}

static void expect_end(int fd)
{
    char byte;
    ssize_t got = hear(fd, &byte, 1);
    if (got != 0) miss("the connection does not end: %d", (int)got);
}

static bool is_big(answer a)
{
    if (a.bytes - a.head != BIG_BYTES) return false;
    for (uint32_t i = 0; i < BIG_BYTES; i++) {
        if (text[a.head + i] != big_byte(i)) return false;
    }
    return true;
}

/* One request on a connection of its own; what is answered. */
static answer once(const char *request)
{
    int fd = dial();
    answer a;
    say(fd, request);
    a = get(fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    return a;
}

/* ---- Cases ------------------------------------------------------------------------------- */

#define REST " HTTP/1.1\r\nHost: here\r\n\r\n"

static void plain_get(void)
{
    answer a = once("GET /" REST);
    expect(a, 200, "<p>hello\n");
    if (strcmp(a.type, "text/html; charset=utf-8") != 0) miss("type %s", a.type);
    expect(once("GET /index.html?a=b" REST), 200, "<p>hello\n");
    expect(once("GET http://here/sub/" REST), 200, "<p>below\n");
    expect(once("GET //sub///index.html" REST), 200, "<p>below\n");
    expect(once("GET /a%20b%25.txt" REST), 200, "odd\n");
    expect(once("GET /empty" REST), 200, "");
    a = once("GET /big.bin" REST);
    expect(a, 200, NULL);
    if (!is_big(a)) miss("big.bin is not what it was");
    if (strcmp(a.type, "application/octet-stream") != 0) miss("type %s", a.type);
}

static void head(void)
{
    int fd = dial();
    answer a;
    say(fd, "HEAD /big.bin" REST);
    a = get(fd, true);
    expect(a, 200, NULL);
    if (a.length != BIG_BYTES) miss("length %zu", a.length);
    say(fd, "HEAD /none" REST "HEAD /stats" REST "GET /" REST);
    expect(get(fd, true), 404, NULL);
    expect(get(fd, true), 200, NULL);
    expect(get(fd, false), 200, "<p>hello\n"); /* so nothing followed those heads */
    close(fd);
}

static void not_found(void)
{
    expect(once("GET /none" REST), 404, "404 Not Found\n");
    expect(once("GET /index.html/" REST), 404, NULL);
    expect(once("GET /sub" REST), 404, NULL);
}

static void keep_alive(void)
{
    int fd = dial();
    answer a;
    for (int i = 0; i < KEPT && good; i++) {
        say(fd, i % 2 == 0 ? "GET /" REST : "GET /sub/" REST);
        a = get(fd, false);
        expect(a, 200, i % 2 == 0 ? "<p>hello\n" : "<p>below\n");
        if (a.closes) miss("it closes after %d", i);
    }
    say(fd, "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    a = get(fd, false);
    expect(a, 200, "<p>hello\n");
    if (!a.closes) miss("it does not say that it closes");
    expect_end(fd);
    close(fd);
    fd = dial();
    say(fd, "GET / HTTP/1.0\r\n\r\n");
    expect(get(fd, false), 200, "<p>hello\n");
    expect_end(fd);
    close(fd);
    fd = dial();
    say(fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    expect(get(fd, false), 200, "<p>hello\n");
    expect(get(fd, false), 200, "<p>hello\n");
    expect_end(fd);
    close(fd);
}

/* Requests for these in turn: a small file, a large one, none, and figures. */
static void pipeline(int count)
{
    static const char *const requests[] = {"GET /" REST, "GET /big.bin" REST, "GET /none" REST,
                                           "GET /stats" REST, "GET /sub/" REST};
    static char all[MANY_IN_ONE * 64];
    size_t bytes = 0;
    int fd = dial();
    for (int i = 0; i < count; i++) {
        const char *request = requests[i % 5];
        if (count > PIPELINED && i % 5 == 1) request = requests[0];
        memcpy(all + bytes, request, strlen(request));
        bytes += strlen(request);
    }
    say_bytes(fd, all, bytes);
    for (int i = 0; i < count && good; i++) {
        answer a = get(fd, false);
        expect(a, i % 5 == 2 ? 404 : 200, NULL);
        if (i % 5 == 1 && count <= PIPELINED && !is_big(a)) miss("answer %d is not big.bin", i);
        if (i % 5 == 4) expect(a, 200, "<p>below\n");
    }
    close(fd);
}

static void pipelining(void)
{
    pipeline(PIPELINED);
    pipeline(MANY_IN_ONE); /* more than one buffer of them */
}

static void byte_by_byte(void)
{
    static const char request[] = "\r\nGET /sub/ HTTP/1.1\r\nHost: here\r\nX-Y:  z \r\n\r\n";
    int fd = dial();
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (size_t i = 0; i + 1 < sizeof request; i++) {
        say_bytes(fd, request + i, 1);
        (void)poll(NULL, 0, 1);
    }
    expect(get(fd, false), 200, "<p>below\n");
    close(fd);
}

static void half_closed(void)
{
    int fd = dial();
    answer a;
    say(fd, "GET /big.bin" REST "GET /" REST);
    (void)shutdown(fd, SHUT_WR);
    a = get(fd, false);
    expect(a, 200, NULL);
    if (!is_big(a)) miss("big.bin is not what it was");
    expect(get(fd, false), 200, "<p>hello\n");
    expect_end(fd);
    close(fd);
    fd = dial();
    say(fd, "GET / HTT"); /* the end of what will never be a request */
    (void)shutdown(fd, SHUT_WR);
    expect_end(fd);
    close(fd);
}

static void reset(int fd)
{
    struct linger now = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void resets(void)
{
    for (int i = 0; i < 20; i++) {
        int fd = dial();
        if (i % 4 == 1) say(fd, "GET / HTTP/1.1\r\nHo");
        if (i % 4 == 2) say(fd, "GET /big.bin" REST "GET /big.bin" REST);
        if (i % 4 == 3) {
            say(fd, "GET /big.bin" REST "GET /big.bin" REST "GET /big.bin" REST);
            (void)hear(fd, text, 1000);
        }
        if (i < 16) {
            reset(fd);
        } else {
            close(fd); /* it writes to somebody who has gone */
        }
    }
    expect(once("GET /" REST), 200, "<p>hello\n");
}

/* The server says why and ends the connection, after bytes that it has not read as well. */
static void refused_bytes(const char *request, size_t bytes, int status)
{
    int fd = dial();
    answer a;
    say_bytes(fd, request, bytes);
    a = get(fd, false);
    if (a.status != status) miss("%d, not %d: %.70s", a.status, status, request);
    if (!a.closes) miss("it does not say that it closes: %.70s", request);
    expect_end(fd);
    close(fd);
}

static void refused(const char *request, int status)
{
    refused_bytes(request, strlen(request), status);
}

static void too_large(void)
{
    static char request[40000];
    size_t at = (size_t)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: here\r\nX: ");
    memset(request + at, 'x', 30000);
    refused_bytes(request, at + 30000, 431);
    at = (size_t)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: here\r\n");
    for (int i = 0; i < 70; i++) {
        at += (size_t)snprintf(request + at, sizeof request - at, "A: y\r\n");
    }
    refused_bytes(request, at, 431);
    memset(request, 'x', sizeof request);
    memcpy(request, "GET /", 5);
    refused_bytes(request, 5000, 414);
    memcpy(request + 2000, REST, strlen(REST) + 1);
    expect(once(request), 414, NULL); /* a line that fits, and a path that does not */
    refused("GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 1048577\r\n\r\n", 413);
    refused("GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 99999999999999999999\r\n\r\n", 413);
}

static void bad_requests(void)
{
    refused("GET / HTTP/1.1\r\n\r\n", 400);
    refused("GET /\r\n\r\n", 400);
    refused("GET  / HTTP/1.1\r\nHost: here\r\n\r\n", 400);
    refused("GET / HTTP/1.1\nHost: here\n\n", 400);
    refused("GET / HTTP/1.1\r\nHost: here\nX: y\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: here\r\nHost: there\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost : here\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: here\r\nX: y\r\n z\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: here\r\n: y\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400);
    refused("GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 1, 1\r\n\r\nx", 400);
    refused("GET / HTTP/1.1\r\nHost: here\r\nContent-Length: +1\r\n\r\nx", 400);
    refused("GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
            "\r\n0\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411);
    refused("GET / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501);
    refused("GET / HTTP/1.1\r\nHost: here\r\nExpect: wonders\r\n\r\n", 417);
    refused("GET here HTTP/1.1\r\nHost: here\r\n\r\n", 400);
    refused("GET / HTTP/2.0\r\nHost: here\r\n\r\n", 505);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    refused("GET / HTTP/0.9\r\n\r\n", 505);
    refused("GET / HTTX/1.1\r\nHost: here\r\n\r\n", 400);
    refused("\x16\x03\x01\x02", 400); /* as TLS begins */
    refused_bytes("GET /\0 HTTP/1.1\r\nHost: here\r\n\r\n", 31, 400);
    refused_bytes("GET / HTTP/1.1\r\nHost: here\r\nX: a\0b\r\n\r\n", 38, 400);
}

static void methods(void)
{
    int fd = dial();
    say(fd, "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 12\r\n\r\nGET / HTTP/1GET /" REST);
    expect(get(fd, false), 405, NULL);
    if (strcmp(header("\nAllow: "), "GET, HEAD") != 0) miss("no Allow");
    expect(get(fd, false), 200, "<p>hello\n"); /* the body was none */
    say(fd, "OPTIONS *" REST "get /" REST);
    expect(get(fd, false), 405, NULL);
    expect(get(fd, false), 405, NULL);
    say(fd, "PUT /x HTTP/1.1\r\nHost: here\r\nContent-Length: 300000\r\n\r\n");
    expect(get(fd, false), 405, NULL);
    memset(text, 'b', 300000);
    say_bytes(fd, text, 300000);
    say(fd, "GET /sub/" REST);
    expect(get(fd, false), 200, "<p>below\n");
    close(fd);
    refused("PUT /x HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n"
            "Content-Length: 3\r\n\r\n", 405);
}

static void escapes(void)
{
    static const char *const paths[] = {
        "/../outside.txt", "/sub/../../outside.txt", "/%2e%2e/outside.txt", "/.%2E/outside.txt",
        "/sub/..%2f..%2foutside.txt", "/..%5coutside.txt", "/link.txt", "/up/outside.txt",
        "/up/root/index.html", "/.hidden", "/%2ehidden", "/sub/.", "/.", "/fifo",
        "/sub%2findex.html", "/index.html%20", "//..//outside.txt", "/%252e%252e/outside.txt"};
    static const char *const odd[] = {"/index.html%00.txt", "/%", "/%4", "/%zz", "/%00"};
    char request[200];
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        (void)snprintf(request, sizeof request, "GET %s" REST, paths[i]);
        expect(once(request), 404, "404 Not Found\n");
        if (!good) miss("with %s", paths[i]);
    }
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        (void)snprintf(request, sizeof request, "GET %s" REST, odd[i]);
        expect(once(request), 400, NULL);
    }
}

static void crowd(void)
{
    static int fd[CROWD];
    for (int i = 0; i < CROWD; i++) fd[i] = dial();
    for (int i = 0; i < CROWD; i++) say(fd[i], i % 10 == 0 ? "GET /big.bin" REST : "GET /" REST);
    for (int i = 0; i < CROWD; i++) {
        answer a = get(fd[i], false);
        expect(a, 200, i % 10 == 0 ? NULL : "<p>hello\n");
        if (i % 10 == 0 && !is_big(a)) miss("big.bin is not what it was");
    }
    for (int i = 0; i < CROWD; i++) say(fd[i], i % 2 == 0 ? "GET /sub/" REST : "GET /big.bin" REST);
    for (int i = 0; i < CROWD; i += 2) expect(get(fd[i], false), 200, "<p>below\n");
    for (int i = 0; i < CROWD; i++) close(fd[i]);
    expect(once("GET /" REST), 200, "<p>hello\n");
}

static void figures(void)
{
    static const char *const keys[] = {"\"engine\":\"", "\"connections\":", "\"requests\":",
                                       "\"bytes_sent\":", "\"accepted\":"};
    const char *engine = getenv("ECS_IO_ENGINE");
    answer a = once("GET /stats" REST);
    expect(a, 200, NULL);
    if (strcmp(a.type, "application/json") != 0) miss("type %s", a.type);
    if (a.bytes < 2 || text[a.head] != '{' || strcmp(text + a.bytes - 2, "}\n") != 0) miss("form");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strstr(text + a.head, keys[i]) == NULL) miss("no %s", keys[i]);
    }
    if (engine != NULL && strstr(text + a.head, engine) == NULL) miss("another engine");
}

/* Until there is no connection but the one that asks. */
static void expect_alone(void)
{
    for (int i = 0; i < WAIT_MS / 100; i++) {
        answer a = once("GET /stats" REST);
        if (a.status == 200 && strstr(text + a.head, "\"connections\":1,") != NULL) return;
        (void)poll(NULL, 0, 100);
    }
    miss("some are still there: %s", text);
}

/* With --connections 4: the fifth is told so, and when one ends there is room again. */
static void limit(void)
{
    int fd[5];
    char end[200];
    ssize_t bytes;
    for (int i = 0; i < 4; i++) {
        fd[i] = dial();
        say(fd[i], "GET /" REST);
        expect(get(fd[i], false), 200, "<p>hello\n");
    }
    fd[4] = dial();
    bytes = hear(fd[4], end, sizeof end);
    if (bytes < 12 || memcmp(end, "HTTP/1.1 503", 12) != 0) miss("a fifth connection");
    expect_end(fd[4]);
    for (int i = 0; i < 5; i++) close(fd[i]);
    expect_alone();
    for (int i = 0; i < 4; i++) {
        fd[i] = dial();
        say(fd[i], "GET /sub/" REST);
        expect(get(fd[i], false), 200, "<p>below\n");
    }
    for (int i = 0; i < 4; i++) close(fd[i]);
}

/* With --idle 1. */
static void idle(void)
{
    int fd[4];
    for (int i = 0; i < 4; i++) fd[i] = dial();
    say(fd[1], "GET /" REST);
    expect(get(fd[1], false), 200, "<p>hello\n");
    say(fd[2], "GET / HTTP/1.1\r\nHost");
    /* This one reads nothing of what it asks for. */
    for (int i = 0; i < 100; i++) say(fd[3], "GET /big.bin" REST);
    expect_end(fd[0]);
    expect_end(fd[1]);
    expect(get(fd[2], false), 408, NULL);
    expect_end(fd[2]);
    expect_alone();
    for (int i = 0; i < 4; i++) close(fd[i]);
}

/* With --lifetime 1 and 8 connections: they end while they receive and while they send, and their
 * slots can be used again, and again. */
static void lifetime(void)
{
    int fd[7];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 7; i++) {
            fd[i] = dial();
            if (i % 3 == 1) say(fd[i], "GET / HTTP/1.1\r\nHost");
            if (i % 3 != 2) continue;
            for (int j = 0; j < 100; j++) say(fd[i], "GET /big.bin" REST);
        }
        for (int i = 0; i < 7; i++) {
            if (i % 3 == 2) continue;
            if (hear(fd[i], text, 1) > 0) miss("something is said");
        }
        expect_alone();
        for (int i = 0; i < 7; i++) close(fd[i]);
    }
    expect(once("GET /" REST), 200, "<p>hello\n");
}

/* Leaves connections in all states behind, for the server to end with. */
static void leave(void)
{
    for (int i = 0; i < 40; i++) {
        int fd = dial();
        if (i % 4 == 1) say(fd, "GET / HTTP/1.1\r\n");
        if (i % 4 == 2) say(fd, "GET /big.bin" REST "GET /big.bin" REST "GET /big.bin" REST);
        if (i % 4 == 3) say(fd, "bad\r\n\r\n");
    }
    expect(once("GET /" REST), 200, "<p>hello\n");
}

typedef struct test {
    const char *name;
    const char *group;
    void (*run)(void);
} test;

static const test tests[] = {
    {"plain GET", "all", plain_get},
    {"HEAD", "all", head},
    {"not found", "all", not_found},
    {"100 requests on one connection", "all", keep_alive},
    {"pipelining", "all", pipelining},
    {"one byte at a time", "all", byte_by_byte},
    {"half-closed clients", "all", half_closed},
    {"clients that reset", "all", resets},
    {"too large", "all", too_large},
    {"bad requests", "all", bad_requests},
    {"methods and bodies", "all", methods},
    {"path escapes", "all", escapes},
    {"200 connections at once", "all", crowd},
    {"figures", "all", figures},
    {"connections that are left", "all", leave},
    {"too many connections", "limit", limit},
    {"idle connections", "idle", idle},
    {"connections that last too long", "lifetime", lifetime},
};

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0) return make_files(argv[2]);
    if (argc != 3) return 2;
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        if (strcmp(tests[i].group, argv[2]) != 0) continue;
        good = true;
        tests[i].run();
        printf("  %s %s\n", good ? "ok  " : "FAIL", tests[i].name);
        (void)fflush(stdout);
        if (good) {
            passed++;
        } else {
            failed++;
        }
    }
    printf("http_client: %u passed, %u failed, 0 skipped\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
