/* http.h: the head of an HTTP/1.1 request, as a pure function over bytes.
 *
 * http_parse looks at the bytes that have come so far and answers HTTP_MORE, HTTP_DONE, or the
 * status with which the request is to be refused. It takes no memory and keeps nothing: places in
 * an http_request are counted from the first byte. It goes from left to right and decides at the
 * first byte that is wrong, so more bytes never change an answer other than HTTP_MORE.
 *
 * It is strict where two servers could read one message in two ways, which is what request
 * smuggling lives from: a line ends with CR LF and nothing else, no space before a colon, no
 * continued lines, no second Content-Length or Host, no Content-Length beside Transfer-Encoding.
 * A body in chunks is not read at all: 411 asks for its length. */
#ifndef HTTP_SERVER_HTTP_H
#define HTTP_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Answers of http_parse that are no status. */
enum { HTTP_MORE = 0, HTTP_DONE = 1 };

enum { HTTP_METHOD_BYTES_MAX = 24 };

typedef enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER } http_method;

typedef struct http_limits {
    uint32_t line_bytes; /* of the request line, with its end: 414 */
    uint32_t head_bytes; /* of all up to the empty line: 431 */
    uint32_t headers;    /* lines of them: 431 */
    uint64_t body_bytes; /* 413 */
} http_limits;

typedef struct http_span {
    uint32_t at;
    uint32_t count;
} http_span;

typedef struct http_request {
    http_method method;
    http_span target;    /* as it came */
    http_span path;      /* of the target, still encoded; begins with a slash, or is empty: root */
    http_span query;     /* behind the question mark */
    uint32_t head_bytes; /* after which the body begins */
    uint64_t body_bytes;
    bool keep_alive;     /* the client would like to go on with this connection */
    bool expects;        /* it waits for a word before it sends the body */
} http_request;

/* Where the parser is. */
typedef struct http_cursor {
    const unsigned char *bytes;
    uint32_t at;
    uint32_t end;  /* of what may be looked at */
    int at_end;    /* the answer when that is not enough */
} http_cursor;

/* What the header lines have said. */
typedef struct http_facts {
    bool host, length, coding, coding_chunked, close, keep, expect_other;
} http_facts;

static inline bool http_is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* A character of methods and names of headers. */
static inline bool http_is_token(unsigned char c)
{
    if (http_is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static inline unsigned char http_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* Whether a span is that word, which is in lower case. */
static inline bool http_is(const unsigned char *bytes, http_span span, const char *word)
{
    uint32_t i;
    if (span.count != strlen(word)) return false;
    for (i = 0; i < span.count; i++) {
        if (http_lower(bytes[span.at + i]) != (unsigned char)word[i]) return false;
    }
    return true;
}

/* Takes this character, or says why not. 0: taken. */
static inline int http_take(http_cursor *c, char wanted)
{
    if (c->at >= c->end) return -1;
    if (c->bytes[c->at] != (unsigned char)wanted) return 400;
    c->at++;
    return 0;
}

/* What an inner answer means to the caller: -1 is the end of what there is. */
static inline int http_answer(const http_cursor *c, int answer)
{
    return answer < 0 ? c->at_end : answer;
}

static inline int http_line_end(http_cursor *c)
{
    int answer = http_take(c, '\r');
    return answer != 0 ? answer : http_take(c, '\n');
}

/* ---- The request line ---------------------------------------------------------------- */

static inline int http_parse_method(http_cursor *c, http_request *out, http_span *method)
{
    method->at = c->at;
    method->count = 0;
    while (c->at < c->end && http_is_token(c->bytes[c->at])) {
        c->at++;
        method->count++;
        if (method->count > HTTP_METHOD_BYTES_MAX) return 501;
    }
    if (c->at >= c->end) return -1;
    if (method->count == 0) return 400;
    out->method = HTTP_OTHER;
    /* Methods are the only words of HTTP in which case matters. */
    if (method->count == 3 && memcmp(c->bytes + method->at, "GET", 3) == 0) {
        out->method = HTTP_GET;
    } else if (method->count == 4 && memcmp(c->bytes + method->at, "HEAD", 4) == 0) {
        out->method = HTTP_HEAD;
    }
    return http_take(c, ' ');
}

static inline int http_parse_target(http_cursor *c, http_request *out)
{
    out->target.at = c->at;
    while (c->at < c->end && c->bytes[c->at] > ' ' && c->bytes[c->at] < 127 &&
           c->bytes[c->at] != '#') {
        c->at++;
    }
    out->target.count = c->at - out->target.at;
    if (c->at < c->end && out->target.count == 0) return 400;
    return http_take(c, ' ');
}

static inline int http_parse_version(http_cursor *c, uint32_t *minor)
{
    static const char text[] = "HTTP/";
    unsigned char major;
    uint32_t i;
    int answer = 0;
    for (i = 0; i < sizeof text - 1 && answer == 0; i++) answer = http_take(c, text[i]);
    if (answer != 0) return answer;
    if (c->at >= c->end) return -1;
    major = c->bytes[c->at];
    if (!http_is_digit(major)) return 400;
    c->at++;
    answer = http_take(c, '.');
    if (answer != 0) return answer;
    if (c->at >= c->end) return -1;
    if (!http_is_digit(c->bytes[c->at])) return 400;
    *minor = (uint32_t)(c->bytes[c->at] - '0');
    c->at++;
    answer = http_line_end(c);
    if (answer != 0) return answer;
    return major == '1' ? 0 : 505;
}

/* Finds path and query: in "/path?query", and in "http://host/path?query" as proxies get it. */
static inline int http_split_target(const unsigned char *bytes, http_request *out,
                                    http_span method)
{
    static const char scheme[] = "http://";
    uint32_t at = out->target.at;
    uint32_t end = at + out->target.count;
    if (bytes[at] != '/') {
        /* "*" and "host:port" belong to these two, and go no further than to a 405. */
        bool rare = http_is(bytes, method, "options") || http_is(bytes, method, "connect");
        http_span begin = {at, (uint32_t)sizeof scheme - 1};
        if (rare) return 0;
        if (out->target.count <= begin.count || !http_is(bytes, begin, scheme)) return 400;
        at += begin.count;
        if (bytes[at] == '/' || bytes[at] == '?') return 400;
        while (at < end && bytes[at] != '/' && bytes[at] != '?') at++;
    }
    out->path.at = at;
    while (at < end && bytes[at] != '?') at++;
    out->path.count = at - out->path.at;
    out->query.at = at < end ? at + 1 : at;
    out->query.count = end - out->query.at;
    return 0;
}

static inline int http_parse_line(http_cursor *c, http_request *out, uint32_t *minor)
{
    http_span method;
    int answer = 0;
    /* An empty line before a request is forgiven, once. */
    if (c->at < c->end && c->bytes[c->at] == '\r') answer = http_line_end(c);
    if (answer == 0) answer = http_parse_method(c, out, &method);
    if (answer == 0) answer = http_parse_target(c, out);
    if (answer == 0) answer = http_parse_version(c, minor);
    if (answer == 0) answer = http_split_target(c->bytes, out, method);
    return answer;
}

/* ---- Header lines ------------------------------------------------------------------- */

/* Digits and nothing else: no sign, no list, nothing that does not fit. */
static inline int http_length(const unsigned char *bytes, http_span value, uint64_t most,
                              uint64_t *out)
{
    uint64_t length = 0;
    uint32_t i;
    if (value.count == 0) return 400;
    for (i = 0; i < value.count; i++) {
        if (!http_is_digit(bytes[value.at + i])) return 400;
    }
    for (i = 0; i < value.count; i++) {
        length = length * 10 + (uint64_t)(bytes[value.at + i] - '0');
        if (length > most) return 413;
    }
    *out = length;
    return 0;
}

/* Looks for words in a list with commas. */
static inline void http_connection(const unsigned char *bytes, http_span value, http_facts *facts)
{
    uint32_t end = value.at + value.count;
    uint32_t at = value.at;
    while (at < end) {
        http_span word = {at, 0};
        while (at < end && bytes[at] != ',') at++;
        word.count = at - word.at;
        while (word.count > 0 && (bytes[word.at] == ' ' || bytes[word.at] == '\t')) {
            word.at++;
            word.count--;
        }
        while (word.count > 0 && (bytes[word.at + word.count - 1] == ' ' ||
                                  bytes[word.at + word.count - 1] == '\t')) {
            word.count--;
        }
        if (http_is(bytes, word, "close")) facts->close = true;
        if (http_is(bytes, word, "keep-alive")) facts->keep = true;
        at++;
    }
}

/* A host is a name or an address and perhaps a port; it may be empty. */
static inline bool http_is_host(const unsigned char *bytes, http_span value)
{
    uint32_t i;
    for (i = 0; i < value.count; i++) {
        unsigned char c = bytes[value.at + i];
        if (c <= ' ' || c >= 127 || strchr("/?#@\\,\"<>{}|^`", c) != NULL) return false;
    }
    return true;
}

/* What a header line means for the message. Most mean nothing here. */
static inline int http_header(const unsigned char *bytes, http_span name, http_span value,
                              const http_limits *limits, http_request *out, http_facts *facts)
{
    if (http_is(bytes, name, "content-length")) {
        if (facts->length) return 400;
        facts->length = true;
        return http_length(bytes, value, limits->body_bytes, &out->body_bytes);
    }
    if (http_is(bytes, name, "transfer-encoding")) {
        facts->coding_chunked = !facts->coding && http_is(bytes, value, "chunked");
        facts->coding = true;
        return 0;
    }
    if (http_is(bytes, name, "host")) {
        if (facts->host || !http_is_host(bytes, value)) return 400;
        facts->host = true;
        return 0;
    }
    if (http_is(bytes, name, "connection")) {
        http_connection(bytes, value, facts);
    } else if (http_is(bytes, name, "expect")) {
        if (!http_is(bytes, value, "100-continue")) facts->expect_other = true;
        out->expects = true;
    }
    return 0;
}

/* One line of the head. A line that begins with a space goes on with the one before it in old
 * messages: no name, so it is refused. */
static inline int http_parse_header(http_cursor *c, http_span *name, http_span *value)
{
    int answer;
    name->at = c->at;
    while (c->at < c->end && http_is_token(c->bytes[c->at])) c->at++;
    name->count = c->at - name->at;
    if (c->at < c->end && name->count == 0) return 400;
    answer = http_take(c, ':');
    if (answer != 0) return answer;
    while (c->at < c->end && (c->bytes[c->at] == ' ' || c->bytes[c->at] == '\t')) c->at++;
    value->at = c->at;
    while (c->at < c->end && (c->bytes[c->at] >= ' ' || c->bytes[c->at] == '\t') &&
           c->bytes[c->at] != 127) {
        c->at++;
    }
    value->count = c->at - value->at;
    while (value->count > 0 && (c->bytes[value->at + value->count - 1] == ' ' ||
                                c->bytes[value->at + value->count - 1] == '\t')) {
        value->count--;
    }
    return http_line_end(c);
}

static inline int http_parse_headers(http_cursor *c, const http_limits *limits, http_request *out,
                                     http_facts *facts)
{
    uint32_t count;
    for (count = 0; count <= limits->headers; count++) {
        http_span name = {0, 0}, value = {0, 0};
        int answer;
        if (c->at >= c->end) return -1;
        if (c->bytes[c->at] == '\r') return http_line_end(c);
        if (count == limits->headers) break;
        answer = http_parse_header(c, &name, &value);
        if (answer == 0) answer = http_header(c->bytes, name, value, limits, out, facts);
        if (answer != 0) return answer;
    }
    return 431;
}

/* ---- All of it ---------------------------------------------------------------------- */

/* HTTP_MORE, HTTP_DONE, or a status. `out` is of use with HTTP_DONE only. */
static inline int http_parse(const void *bytes, size_t count, const http_limits *limits,
                             http_request *out)
{
    http_cursor c;
    http_facts facts;
    uint32_t minor = 0;
    int answer;
    memset(out, 0, sizeof *out);
    memset(&facts, 0, sizeof facts);
    c.bytes = (const unsigned char *)bytes;
    c.at = 0;
    c.end = count < limits->line_bytes ? (uint32_t)count : limits->line_bytes;
    c.at_end = count < limits->line_bytes ? HTTP_MORE : 414;
    answer = http_parse_line(&c, out, &minor);
    if (answer != 0) return http_answer(&c, answer);
    c.end = count < limits->head_bytes ? (uint32_t)count : limits->head_bytes;
    c.at_end = count < limits->head_bytes ? HTTP_MORE : 431;
    answer = http_parse_headers(&c, limits, out, &facts);
    if (answer != 0) return http_answer(&c, answer);
    if (facts.coding && (facts.length || minor == 0)) return 400;
    if (minor > 0 && !facts.host) return 400;
    if (facts.coding) return facts.coding_chunked ? 411 : 501;
    if (facts.expect_other) return 417;
    out->head_bytes = c.at;
    out->keep_alive = !facts.close && (minor > 0 || facts.keep);
    return HTTP_DONE;
}

/* ---- Paths -------------------------------------------------------------------------- */

static inline int http_hex(unsigned char c)
{
    if (http_is_digit(c)) return c - '0';
    c = http_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes a path into `out`, with a closing zero and without the slash in front. 0, or a status:
 * 400 for what is no encoding and for NUL, 404 for what no file of ours is called: a slash that
 * was encoded, and names that begin with a dot, "." and ".." among them. */
static inline int http_decode(const void *bytes, size_t count, char *out, size_t out_bytes)
{
    const unsigned char *from = (const unsigned char *)bytes;
    size_t used = 0;
    size_t i;
    int answer = 0;
    for (i = 0; i < count && from[i] == '/'; i++) {}
    for (; i < count; i++) {
        unsigned char c = from[i];
        bool first = used == 0 || out[used - 1] == '/';
        if (c == '%') {
            int high = i + 2 < count ? http_hex(from[i + 1]) : -1;
            int low = i + 2 < count ? http_hex(from[i + 2]) : -1;
            if (high < 0 || low < 0) return 400;
            c = (unsigned char)(high * 16 + low);
            i += 2;
            if (c == 0) return 400;
            if (c == '/') answer = 404;
        }
        if (c == 0) return 400;
        if (c == '/' && first) continue; /* several slashes are one */
        if (c == '.' && first) answer = 404;
        if (used + 1 >= out_bytes) return 414;
        out[used++] = (char)c;
    }
    if (out_bytes == 0) return 414;
    out[used] = '\0';
    return answer;
}

#endif
