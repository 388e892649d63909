/* http.c: the parser of examples/http_server. Bytes become a request: as they are, or as a choice
 * of pieces that requests are made of. Then
 *
 *   nothing outside of the input is read, which the copy on the heap lets the sanitizer see;
 *   the answer for each prefix is "needs more", or the same as for the whole;
 *   what is accepted has the form that smuggling does not get through;
 *   a decoded path does not lead out of a directory. */

#define ECS_IMPLEMENTATION
#define TEST_NO_MAIN
#include "../test.h"

#include "../../examples/http_server/http.h"

#include <stdlib.h>

enum { TEXT_BYTES_MAX = 6000, EACH_PREFIX = 400, SOME_PREFIXES = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const pieces[] = {
    /* Lines that may follow the first one, */
    "Content-Length: 5\r\n", "content-length:0\r\n", "Connection: close\r\n",
    "Connection: x, keep-alive ,close\r\n", "Expect: 100-continue\r\n", "X: \t y \t\r\n",
    "X:\x80\r\n", "A: b\r\n", "Accept: */*\r\n", "\r\n",
    /* then such that spoil a request, and parts of lines. */
    "Content-Length: -1\r\n", "Content-Length: 99999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: x\r\n", "Expect: more\r\n",
    "Host: here\r\n", "host:\r\n", "Name : value\r\n", "X: y\n", "X: y\r", " folded\r\n",
    "GET ", "HEAD ", "POST ",
    "OPTIONS ", "CONNECT ", "/", "/index.html", "/a/../b", "/%2e%2e/", "/%00", "?query", "*",
    "http://host/x", "http://", "host:80", " HTTP/1.1\r\n", " HTTP/1.0\r\n", " HTTP/2.0\r\n",
    " HTTP/1.1\n", "\n", "\r", " ", ":", "\t", "a", "%", "%4", "%41", "0",
    "GET / HTTP/1.1\r\nHost: a\r\n"};

/* First lines; most inputs begin with one, or few would come to their headers. */
static const char *const begins[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n", "HEAD /x%20y?q HTTP/1.0\r\n", "\r\nPOST /a HTTP/1.1\r\n",
    "GET http://a:1/b/?c HTTP/1.1\r\nHost: a:1\r\n", "OPTIONS * HTTP/1.1\r\nHost:\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n", "GET //a/./../b HTTP/1.1\r\nhoST: a\r\n",
    "GET /a-name-that-is-too-long-for-the-small-limits-of-request-lines HTTP/1.1\r\n"};

enum { PIECES = sizeof pieces / sizeof pieces[0], GOOD_PIECES = 10, SPOILS = 200, PATH_BYTES = 80 };

static const http_limits small_limits = {64, 400, 8, 1000};
static const http_limits large_limits = {4096, 8192, 64, 1 << 20};

/* An exact copy on the heap, which the caller frees. */
static unsigned char *exact(const unsigned char *from, size_t bytes)
{
    unsigned char *copy = (unsigned char *)malloc(bytes == 0 ? 1 : bytes);
    if (copy == NULL) abort();
    if (bytes > 0) memcpy(copy, from, bytes);
    return copy;
}

static int answer_of(const unsigned char *text, size_t bytes, const http_limits *limits,
                     http_request *out)
{
    unsigned char *copy = exact(text, bytes);
    int answer = http_parse(copy, bytes, limits, out);
    free(copy);
    return answer;
}

/* A span lies inside of the head, and nothing in it ends a line or a word. */
static void check_span(const unsigned char *text, http_span span, uint32_t head_bytes)
{
    if (span.at > head_bytes || span.count > head_bytes - span.at) abort();
    for (uint32_t i = 0; i < span.count; i++) {
        if (text[span.at + i] <= ' ' || text[span.at + i] >= 127) abort();
    }
}

/* How often a line of the head begins with that name and a colon, in any case. */
static uint32_t count_headers(const unsigned char *text, uint32_t bytes, const char *name)
{
    size_t length = strlen(name);
    uint32_t count = 0;
    for (uint32_t at = 1; at + length < bytes; at++) {
        size_t i = 0;
        if (text[at - 1] != '\n') continue;
        while (i < length && (text[at + i] | 32) == name[i]) i++;
        if (i == length && text[at + i] == ':') count++;
    }
    return count;
}

static void check_head(const unsigned char *text, const http_limits *limits,
                       const http_request *r)
{
    uint32_t n = r->head_bytes;
    if (n < 4 || n > limits->head_bytes || memcmp(text + n - 4, "\r\n\r\n", 4) != 0) abort();
    for (uint32_t i = 0; i < n; i++) {
        bool ends = text[i] == '\n';
        if (text[i] == 0) abort();
        if (ends && (i == 0 || text[i - 1] != '\r')) abort();
        if (text[i] == '\r' && text[i + 1] != '\n') abort();
        if (ends && i + 1 < n && (text[i + 1] == ' ' || text[i + 1] == '\t')) abort();
    }
    if (count_headers(text, n, "content-length") > 1 || count_headers(text, n, "host") > 1) abort();
    if (count_headers(text, n, "transfer-encoding") > 0) abort();
    if (r->body_bytes > limits->body_bytes) abort();
    if (r->body_bytes > 0 && count_headers(text, n, "content-length") != 1) abort();
    check_span(text, r->target, n);
    check_span(text, r->path, n);
    check_span(text, r->query, n);
}

/* No part of the path is empty, "." or "..". */
static void check_path(const unsigned char *text, size_t bytes)
{
    unsigned char *copy = exact(text, bytes);
    char path[64];
    int status = http_decode(copy, bytes, path, sizeof path);
    free(copy);
    if (status != 0 && status != 400 && status != 404 && status != 414) abort();
    if (status != 0) return;
    if (strlen(path) >= sizeof path || path[0] == '/' || path[0] == '.') abort();
    if (strstr(path, "//") != NULL || strstr(path, "/.") != NULL) abort();
}

static void check_text(const unsigned char *text, size_t bytes, const http_limits *limits)
{
    http_request whole, part;
    int answer = answer_of(text, bytes, limits, &whole);
    size_t step = bytes <= EACH_PREFIX ? 1 : bytes / SOME_PREFIXES;
    bool ended = false;
    if (answer != HTTP_MORE && answer != HTTP_DONE && (answer < 400 || answer > 505)) abort();
    if (answer == HTTP_MORE && bytes >= limits->head_bytes) abort();
    if (answer == HTTP_MORE && bytes >= limits->line_bytes &&
        memchr(text, '\n', limits->line_bytes) == NULL) {
        abort();
    }
    for (size_t i = 0; i < bytes; i += step) {
        int before = answer_of(text, i, limits, &part);
        if (before != HTTP_MORE && before != answer) abort();
        if (before == HTTP_MORE && ended) abort();
        ended = before != HTTP_MORE;
        if (before == HTTP_DONE && memcmp(&part, &whole, sizeof part) != 0) abort();
    }
    if (answer != HTTP_DONE) return;
    check_head(text, limits, &whole);
    check_path(text + whole.path.at, whole.path.count);
    if (whole.head_bytes > 0 &&
        answer_of(text, whole.head_bytes - 1, limits, &part) != HTTP_MORE) {
        abort();
    }
}

/* The bytes as a path of few characters. */
static void check_made_path(const uint8_t *data, size_t size)
{
    static const char some[] = "//..%%2e0aF5/c b";
    unsigned char path[PATH_BYTES];
    size_t bytes = size < PATH_BYTES ? size : PATH_BYTES;
    for (size_t i = 0; i < bytes; i++) path[i] = (unsigned char)some[data[i] % 16u];
    check_path(path, bytes);
}

/* The first byte chooses limits and a first line, the others pieces: mostly good ones. */
static size_t build_text(unsigned char *text, const uint8_t *data, size_t size)
{
    const char *piece = begins[data[0] >> 5];
    size_t bytes = strlen(piece);
    memcpy(text, piece, bytes);
    for (size_t i = 1; i < size; i++) {
        size_t more;
        piece = pieces[data[i] >= SPOILS ? data[i - 1] % PIECES : data[i] % GOOD_PIECES];
        more = strlen(piece);
        if (more > TEXT_BYTES_MAX - bytes) break;
        memcpy(text + bytes, piece, more);
        bytes += more;
    }
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char text[TEXT_BYTES_MAX];
    const http_limits *limits;
    if (data == NULL || size == 0) return 0;
    limits = (data[0] & 1u) != 0 ? &small_limits : &large_limits;
    check_path(data, size < 300 ? size : 300);
    check_made_path(data, size);
    if ((data[0] & 14u) == 0) {
        check_text(data + 1, size - 1 < TEXT_BYTES_MAX ? size - 1 : TEXT_BYTES_MAX, limits);
    } else {
        check_text(text, build_text(text, data, size), limits);
    }
    return 0;
}
