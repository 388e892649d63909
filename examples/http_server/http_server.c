/* http_server.c: an HTTP/1.1 server for static files, and for /stats as JSON.
 *
 *   cc -std=c11 -O2 -I../.. http_server.c -o http_server -lm -lpthread
 *   ./http_server --port 8080 --root /var/www
 *
 * What it shows, because that is what you would start from:
 *
 *   a connection is an entity   its state is the component Connection; who despawns the entity, at
 *                               any time and for any reason, ends the connection
 *   memory                      buffers lie outside the world, for columns move. All of it is taken
 *                               at the start: a slot for each connection, and a world of fixed size
 *   requests                    accept goes on by itself; then one thing at a time for each
 *                               connection: receive, answer all that has come, send, receive
 *   a chain                     a piece of a file is read and sent by two requests, of which the
 *                               second begins when the first has given all its bytes
 *   time limits                 `timeout_ns` of the requests
 *   a system                    despawns connections that have lived too long, whatever they do
 *   limits                      connections, bytes of request line, head and body, idle time
 *
 * http.h has the parser, files.h opens files. It needs POSIX. */
#define ECS_IMPLEMENTATION
#include "ecs.h"
#include "ecs_io_uring.h"

#include "files.h"
#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* ---- Limits and tuning -------------------------------------------------------------- */

enum {
    IN_BYTES = 8192,          /* of a slot: a whole head fits */
    OUT_BYTES = 16384,        /* of a slot: what is sent at once */
    REPLY_BYTES_MAX = 1024,   /* an answer that is no file; so much room is kept for the next one */
    CONNECTIONS = 1024, CONNECTIONS_MAX = 65536,
    BODY_BYTES_MAX = 1 << 20, /* of a request; they are read and thrown away */
    IDLE_S = 30, SECONDS_MAX = 100000000,
    BACKLOG = 511
};

#define SECOND_NS 1000000000u
#define LINGER_NS SECOND_NS          /* for the client to see an answer before the end */
#define RETRY_NS (SECOND_NS / 10u)   /* until the next accept when there are no more handles */

static const http_limits limits = {4096, IN_BYTES, 64, BODY_BYTES_MAX};

/* ---- The world ---------------------------------------------------------------------- */

typedef enum State { RECEIVING, SENDING, LINGERING } State;

/* What a connection is about to do. Places are those in the buffers of its slot. */
typedef struct {
    uint32_t slot;
    uint32_t state;
    uint32_t in_bytes;   /* received, and not looked at */
    uint32_t out_bytes;  /* to be sent */
    uint64_t body_left;  /* of a request: bytes that are still to be thrown away */
    uint64_t file_at;
    uint64_t file_left;  /* of a file that is being sent */
    uint64_t deadline;   /* of a request that has begun to come; 0: none has */
    uint64_t born;       /* time of ecs_io_now */
    uint32_t last;       /* 1: nothing more is answered */
} Connection;
ECS_COMPONENT(Connection, slot, state, in_bytes, out_bytes, body_left, file_at, file_left,
              deadline, born, last);

ECS_QUERY(everybody, READ(Connection));

/* The part of a connection that requests point to. It stays as it is until the last of them has
 * been delivered, even when the entity is gone by then. */
typedef struct Slot {
    struct Server *server;
    ecs_entity entity;
    int handle;          /* the socket; -1: free */
    int file;            /* that is being sent; -1: none */
    uint32_t under_way;  /* requests */
    uint32_t next_free;
    bool gone;           /* the entity is */
    unsigned char in[IN_BYTES];
    unsigned char out[OUT_BYTES];
} Slot;

typedef struct Server {
    ecs_world *world;
    Slot *slots;
    uint32_t slot_count;
    uint32_t free;       /* the slot that was used last is used first; slot_count: none */
    int listener;
    int root;            /* a directory; -1: no files */
    bool ending;
    bool failed;
    uint64_t idle_ns;
    uint64_t lifetime_ns; /* of a connection; 0: no limit */
    uint64_t now;         /* of this tick */
    uint64_t look_at;     /* when the next connection may have lived too long */
    uint64_t accepted, refused, requests, errors, bytes_received, bytes_sent;
    time_t date_of;      /* what `date` shows */
    char date[40];
} Server;

/* ---- Requests ----------------------------------------------------------------------- */

/* Queues one for a slot. False: there is no memory, or the world ends. */
static bool ask(Slot *slot, ecs_io_request *request)
{
    ecs_commands *cmd = ecs_world_commands(slot->server->world);
    request->user = slot;
    request->entity = slot->entity;
    if (ecs_io_queue(cmd, request).bits == 0) return false;
    slot->under_way++;
    return true;
}

static ecs_io_request request_make(ecs_io_op op, int handle, void *buffer, size_t length)
{
    ecs_io_request request;
    memset(&request, 0, sizeof request);
    request.op = (uint32_t)op;
    request.handle = handle;
    request.buffer = buffer;
    request.length = length;
    return request;
}

static void file_end(Slot *slot)
{
    if (slot->file >= 0) (void)close(slot->file);
    slot->file = -1;
}

/* When the entity is gone and nothing points here any more, the slot is for somebody else. */
static void slot_settle(Slot *slot)
{
    Server *server = slot->server;
    if (!slot->gone || slot->under_way > 0) return;
    file_end(slot);
    if (slot->handle >= 0) (void)close(slot->handle);
    slot->handle = -1;
    slot->next_free = server->free;
    server->free = (uint32_t)(slot - server->slots);
}

/* The beginning of each callback: the connection, or NULL when its entity is gone. */
static Connection *delivered(ecs_world *world, const ecs_io_completion *done)
{
    Slot *slot = (Slot *)done->user;
    slot->under_way--;
    if (!slot->gone) return ecs_get_mut(world, slot->entity, Connection);
    slot_settle(slot);
    return NULL;
}

static void slot_closed(ecs_world *world, const ecs_io_completion *done)
{
    /* What the close did not get to, because the world ended before it, slot_settle closes. */
    if (done->result == 0) ((Slot *)done->user)->handle = -1;
    (void)delivered(world, done);
}

/* The hook of Connection: whoever despawns the entity ends the connection. Closing the socket ends
 * what is under way on it; each of these requests is delivered, and the last one frees the slot. */
static void connection_removed(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    const Server *server = (const Server *)user;
    Slot *slot = &server->slots[((const Connection *)value)->slot];
    (void)world;
    (void)entity;
    slot->gone = true;
    if (slot->under_way > 0) {
        ecs_io_request request = request_make(ECS_IO_CLOSE, slot->handle, NULL, 0);
        request.done = slot_closed;
        (void)ask(slot, &request); /* refused only when the world ends, and all requests with it */
    }
    slot_settle(slot);
}

static void connection_end(const Slot *slot)
{
    (void)ecs_despawn(slot->server->world, slot->entity);
}

/* ---- Answers ------------------------------------------------------------------------ */

static const char *status_text(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}

/* The date of the second, made once in it. */
static const char *date_text(Server *server)
{
    struct timespec now;
    struct tm parts;
    if (clock_gettime(CLOCK_REALTIME, &now) < 0 || now.tv_sec == server->date_of) {
        return server->date;
    }
    server->date_of = now.tv_sec;
    if (gmtime_r(&now.tv_sec, &parts) == NULL ||
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 0) {
        server->date[0] = '\0';
    }
    return server->date;
}

/* Puts the head of an answer behind what is to be sent. There is room. */
static void answer_head(Slot *slot, Connection *c, int status, const char *type, uint64_t bytes)
{
    size_t room = OUT_BYTES - c->out_bytes;
    int count = snprintf((char *)slot->out + c->out_bytes, room,
                         "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
                         "Content-Length: %llu\r\nX-Content-Type-Options: nosniff\r\n%s%s\r\n",
                         status, status_text(status), date_text(slot->server), type,
                         (unsigned long long)bytes, status == 405 ? "Allow: GET, HEAD\r\n" : "",
                         c->last != 0 ? "Connection: close\r\n" : "Connection: keep-alive\r\n");
    ECS_ASSERT(count > 0 && (size_t)count < room);
    c->out_bytes += (uint32_t)count;
    if (status >= 400) slot->server->errors++;
}

/* A short answer; with HEAD only what is said about it. */
static void answer_text(Slot *slot, Connection *c, int status, const char *type, const char *text,
                        bool head_only)
{
    size_t bytes = strlen(text);
    answer_head(slot, c, status, type, bytes);
    if (head_only) return;
    ECS_ASSERT(bytes <= OUT_BYTES - c->out_bytes);
    memcpy(slot->out + c->out_bytes, text, bytes);
    c->out_bytes += (uint32_t)bytes;
}

static void answer_status(Slot *slot, Connection *c, int status, bool head_only)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%d %s\n", status, status_text(status));
    answer_text(slot, c, status, "text/plain; charset=utf-8", text, head_only);
}

static void answer_stats(Slot *slot, Connection *c, bool head_only)
{
    const Server *server = slot->server;
    ecs_io_stats io = ecs_io_stats_of(server->world);
    uint32_t count[LINGERING + 1] = {0};
    char text[640];
    ECS_EACH(server->world, everybody, view) {
        const Connection *each = ecs_read(view, Connection);
        for (uint32_t i = 0; i < view->count; i++) count[each[i].state]++;
    }
    (void)snprintf(text, sizeof text,
                   "{\"engine\":\"%s\",\"connections\":%u,\"receiving\":%u,\"sending\":%u,"
                   "\"lingering\":%u,\"accepted\":%llu,\"refused\":%llu,\"requests\":%llu,"
                   "\"errors\":%llu,\"bytes_received\":%llu,\"bytes_sent\":%llu,"
                   "\"io_started\":%llu,\"io_system_calls\":%llu,\"io_under_way\":%u}\n",
                   io.engine, count[0] + count[1] + count[2], count[RECEIVING], count[SENDING],
                   count[LINGERING], (unsigned long long)server->accepted,
                   (unsigned long long)server->refused, (unsigned long long)server->requests,
                   (unsigned long long)server->errors, (unsigned long long)server->bytes_received,
                   (unsigned long long)server->bytes_sent, (unsigned long long)io.started,
                   (unsigned long long)io.system_calls, io.under_way);
    answer_text(slot, c, 200, "application/json", text, head_only);
}

static void answer_file(Slot *slot, Connection *c, const http_request *request)
{
    char path[PATH_BYTES_MAX];
    uint64_t bytes = 0;
    bool head_only = request->method == HTTP_HEAD;
    int status = http_decode(slot->in + request->path.at, request->path.count, path, sizeof path);
    if (status == 0 && strcmp(path, "stats") == 0) {
        answer_stats(slot, c, head_only);
        return;
    }
    if (status == 0) status = slot->server->root < 0 ? 404 : 0;
    if (status == 0) status = file_open(slot->server->root, path, &slot->file, &bytes);
    if (status != 0) {
        answer_status(slot, c, status, head_only);
        return;
    }
    answer_head(slot, c, 200, file_type_of(path), bytes);
    c->file_at = 0;
    c->file_left = head_only ? 0 : bytes;
    if (c->file_left == 0) file_end(slot);
}

/* ---- The way of a connection -------------------------------------------------------- */

static void received(ecs_world *world, const ecs_io_completion *done);
static void sent(ecs_world *world, const ecs_io_completion *done);
static void lingered(ecs_world *world, const ecs_io_completion *done);

static void file_read(ecs_world *world, const ecs_io_completion *done)
{
    (void)delivered(world, done); /* when it failed, the send of its chain tells */
}

/* Nanoseconds that are left; at least one, for 0 would mean no limit. */
static uint64_t left_until(uint64_t deadline)
{
    uint64_t now = ecs_io_now();
    return deadline > now ? deadline - now : 1;
}

static void receive(Slot *slot, Connection *c)
{
    ecs_io_request request = request_make(ECS_IO_RECV, slot->handle, slot->in + c->in_bytes,
                                          IN_BYTES - c->in_bytes);
    bool begun = c->in_bytes > 0 || c->body_left > 0;
    if (!begun) c->deadline = 0;
    if (begun && c->deadline == 0) c->deadline = ecs_io_now() + slot->server->idle_ns;
    request.timeout_ns = begun ? left_until(c->deadline) : slot->server->idle_ns;
    request.done = received;
    c->state = RECEIVING;
    ECS_ASSERT(request.length > 0);
    if (!ask(slot, &request)) connection_end(slot);
}

/* Sends what there is, and the next piece of the file with it. */
static void send_piece(Slot *slot, Connection *c)
{
    ecs_io_request request;
    uint64_t room = OUT_BYTES - c->out_bytes;
    size_t piece = (size_t)(c->file_left < room ? c->file_left : room);
    bool good = true;
    c->state = SENDING;
    if (piece > 0) {
        request = request_make(ECS_IO_READ, slot->file, slot->out + c->out_bytes, piece);
        request.offset = c->file_at;
        request.flags = ECS_IO_WHOLE | ECS_IO_LINK; /* a file that has shrunk breaks the chain */
        request.done = file_read;
        good = ask(slot, &request);
        c->out_bytes += (uint32_t)piece;
        c->file_at += piece;
        c->file_left -= piece;
    }
    request = request_make(ECS_IO_SEND, slot->handle, slot->out, c->out_bytes);
    request.flags = ECS_IO_WHOLE;
    request.timeout_ns = slot->server->idle_ns;
    request.done = sent;
    if (!good || !ask(slot, &request)) connection_end(slot);
}

/* The last answer is out. If the socket were closed while bytes of the client are unread, the
 * client would be reset and might lose that answer. So it is told that this is the end, and what
 * it still sends is thrown away for a while. */
static void linger(Slot *slot, Connection *c)
{
    ecs_io_request request = request_make(ECS_IO_RECV, slot->handle, slot->in, IN_BYTES);
    if (c->state != LINGERING) {
        if (shutdown(slot->handle, SHUT_WR) < 0) {
            connection_end(slot);
            return;
        }
        c->deadline = ecs_io_now() + LINGER_NS;
    }
    c->state = LINGERING;
    request.timeout_ns = left_until(c->deadline);
    request.done = lingered;
    if (!ask(slot, &request)) connection_end(slot);
}

static void lingered(ecs_world *world, const ecs_io_completion *done)
{
    Slot *slot = (Slot *)done->user;
    Connection *c = delivered(world, done);
    if (c == NULL) return;
    if (done->result <= 0 || ecs_io_now() >= c->deadline) {
        connection_end(slot);
    } else {
        linger(slot, c);
    }
}

/* Takes bytes from the front of what was received. */
static void consume(Slot *slot, Connection *c, uint32_t bytes)
{
    ECS_ASSERT(bytes <= c->in_bytes);
    c->in_bytes -= bytes;
    if (bytes > 0) memmove(slot->in, slot->in + bytes, c->in_bytes);
}

/* Answers one request, if a whole head is there. False: it is not. */
static bool answer_one(Slot *slot, Connection *c)
{
    http_request request;
    int status = http_parse(slot->in, c->in_bytes, &limits, &request);
    if (status == HTTP_MORE) return false;
    slot->server->requests++;
    c->deadline = 0;
    if (status != HTTP_DONE) {
        /* Where the next request would begin is not known, so there is none. */
        c->last = 1;
        c->in_bytes = 0;
        answer_status(slot, c, status, false);
        return true;
    }
    /* Whether the body comes after this answer is the client's choice: no telling what is next. */
    if (!request.keep_alive || (request.expects && request.body_bytes > 0)) c->last = 1;
    c->body_left = request.body_bytes;
    if (request.method == HTTP_OTHER) {
        answer_status(slot, c, 405, false);
    } else {
        answer_file(slot, c, &request);
    }
    consume(slot, c, request.head_bytes);
    return true;
}

/* Does what can be done with what has been received, then sends or receives. */
static void advance(Slot *slot, Connection *c)
{
    bool more = true;
    while (more && c->last == 0 && c->file_left == 0) { /* each round takes bytes, or is the last */
        uint64_t body = c->body_left < c->in_bytes ? c->body_left : c->in_bytes;
        consume(slot, c, (uint32_t)body);
        c->body_left -= body;
        more = c->body_left == 0 && OUT_BYTES - c->out_bytes >= REPLY_BYTES_MAX &&
               answer_one(slot, c);
    }
    if (c->out_bytes > 0) {
        send_piece(slot, c);
    } else if (c->last != 0) {
        linger(slot, c);
    } else {
        receive(slot, c);
    }
}

static void sent(ecs_world *world, const ecs_io_completion *done)
{
    Slot *slot = (Slot *)done->user;
    Connection *c = delivered(world, done);
    if (c == NULL) return;
    if (done->result > 0) slot->server->bytes_sent += (uint64_t)done->result;
    if (done->result != (int64_t)c->out_bytes) {
        connection_end(slot); /* it has gone, or does not read, or the file is not what it was */
        return;
    }
    c->out_bytes = 0;
    if (c->file_left > 0) {
        send_piece(slot, c);
        return;
    }
    file_end(slot);
    advance(slot, c);
}

static void received(ecs_world *world, const ecs_io_completion *done)
{
    Slot *slot = (Slot *)done->user;
    Connection *c = delivered(world, done);
    if (c == NULL) return;
    if (done->result > 0) {
        c->in_bytes += (uint32_t)done->result;
        slot->server->bytes_received += (uint64_t)done->result;
        advance(slot, c);
        return;
    }
    if (done->result == -ETIMEDOUT && c->in_bytes > 0) {
        c->last = 1;
        c->in_bytes = 0;
        answer_status(slot, c, 408, false);
        send_piece(slot, c);
        return;
    }
    connection_end(slot); /* the peer has closed its side, or there is nothing to wait for */
}

/* ---- Accepting ---------------------------------------------------------------------- */

static void accepted(ecs_world *world, const ecs_io_completion *done);

static void accept_begin(Server *server)
{
    ecs_io_request request = request_make(ECS_IO_ACCEPT, server->listener, NULL, 0);
    request.flags = ECS_IO_MULTI;
    request.done = accepted;
    request.user = server;
    if (ecs_io_queue(ecs_world_commands(server->world), &request).bits == 0) {
        server->failed = !server->ending;
    }
}

static void accept_again(ecs_world *world, const ecs_io_completion *done)
{
    (void)world;
    if (done->result != -ECANCELED) accept_begin((Server *)done->user);
}

/* A new connection: a slot, an entity, and the first request. Without a slot, no. */
static void connection_begin(Server *server, int handle)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Retry-After: 1\r\nConnection: close\r\n\r\n";
    Connection begin;
    Slot *slot;
    uint32_t place = server->free;
    server->accepted++;
    memset(&begin, 0, sizeof begin);
    begin.slot = place;
    begin.born = ecs_io_now();
    if (place < server->slot_count) {
        slot = &server->slots[place];
        slot->entity = ecs_spawn_with(server->world, (Connection, begin));
        if (!ecs_is_null(slot->entity)) {
            server->free = slot->next_free;
            slot->handle = handle;
            slot->gone = false;
            ECS_ASSERT(slot->under_way == 0 && slot->file < 0);
            receive(slot, ecs_get_mut(server->world, slot->entity, Connection));
            return;
        }
    }
    server->refused++;
    (void)send(handle, busy, sizeof busy - 1, MSG_DONTWAIT); /* if it can be told, good */
    (void)close(handle);
}

static void accepted(ecs_world *world, const ecs_io_completion *done)
{
    Server *server = (Server *)done->user;
    ecs_io_request pause = request_make(ECS_IO_TIMER, -1, NULL, 0);
    (void)world;
    if (done->result >= 0) connection_begin(server, (int)done->result);
    if ((done->flags & (uint32_t)ECS_IO_MORE) != 0 || done->result == -ECANCELED) return;
    switch (done->result) {
    case -EBADF:
    case -EINVAL:
    case -ENOTSOCK:
    case -EOPNOTSUPP:
    case -ENOSYS:
        fprintf(stderr, "http_server: accept: %s\n", strerror((int)-done->result));
        server->failed = true;
        return;
    case -EMFILE: /* too many handles: some will be closed */
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
        pause.timeout_ns = RETRY_NS;
        pause.done = accept_again;
        pause.user = server;
        if (ecs_io_queue(ecs_world_commands(server->world), &pause).bits == 0) {
            server->failed = !server->ending;
        }
        return;
    default: accept_begin(server); /* the one that came has gone again */
    }
}

/* ---- Connections that last too long --------------------------------------------------- */

/* Their requests are under way, and the hook sees to that. Systems know no clock; this one is told
 * the time. */
ECS_SYSTEM(expire, READ(Connection))
{
    const Server *server = (const Server *)view->user;
    const Connection *c = ecs_read(view, Connection);
    for (uint32_t i = 0; i < view->count; i++) {
        if (server->now < c[i].born || server->now - c[i].born < server->lifetime_ns) continue;
        ecs_status status = ecs_cmd_despawn(view->cmd, view->entities[i]);
        if (status != ECS_OK) return status;
    }
    return ECS_OK;
}

/* Once a second, for it looks at all of them. */
static bool expire_due(const ecs_world *world, void *user)
{
    Server *server = (Server *)user;
    (void)world;
    if (server->now < server->look_at) return false;
    server->look_at = server->now + SECOND_NS;
    return true;
}

/* ---- Starting and ending ------------------------------------------------------------- */

typedef struct {
    uint64_t port, connections, seconds, idle_s, lifetime_s;
    const char *root;
    bool any;
} Options;

/* For the signal handler. */
static ecs_world *volatile signal_world;
static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    ecs_world *world = signal_world;
    (void)number;
    signal_seen = 1;
    if (world != NULL) ecs_io_wake(world);
}

static void signals_take(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    (void)sigemptyset(&action.sa_mask);
    action.sa_handler = on_signal;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    /* A client that has gone is an answer of send, not the end of this program. */
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

/* A socket that listens; -1: said why. */
static int listener_open(const Options *options, uint16_t *port)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof address;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool good = fd >= 0;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(options->any ? INADDR_ANY : INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)options->port);
    if (good) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        /* The connections get it from here: answers are whole, and need not wait for more. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        good = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
               listen(fd, BACKLOG) == 0 &&
               getsockname(fd, (struct sockaddr *)&address, &bytes) == 0;
    }
    if (!good) {
        fprintf(stderr, "http_server: port %u: %s\n", (unsigned)options->port, strerror(errno));
        if (fd >= 0) (void)close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

/* A socket and perhaps a file for each connection, as far as the system allows it. */
static void handles_allow(uint64_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)(connections * 2 + 64);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* A world that takes its memory now: room for the connections and for their requests, of which
 * each has two at most, and one more when its entity is despawned meanwhile. */
static ecs_world *world_create(Server *server)
{
    ecs_hooks hooks;
    ecs_world_desc desc;
    ecs_component component;
    ecs_system_desc system;
    bool good;
    memset(&desc, 0, sizeof desc);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = server->slot_count;
    desc.command_bytes_max = ((size_t)1 << 20) + (size_t)server->slot_count * 1024;
    desc.io.requests_max = server->slot_count * 3 + 16;
    desc.io.engine = ecs_io_uring(); /* or, where that is refused, the next best */
    server->world = ecs_world_create(&desc);
    if (server->world == NULL) return NULL;
    memset(&hooks, 0, sizeof hooks);
    hooks.on_remove = connection_removed;
    hooks.user = server;
    memset(&system, 0, sizeof system);
    system.system = &expire;
    system.run_if = expire_due;
    system.user = server;
    good = ecs_component_register(server->world, ecs_type_of(Connection), &component) == ECS_OK &&
           ecs_component_hooks(server->world, component, &hooks) == ECS_OK;
    if (good && server->lifetime_ns > 0) {
        good = ecs_system_add_desc(server->world, &system) == ECS_OK;
    }
    if (good) return server->world;
    ecs_world_destroy(server->world);
    return NULL;
}

static void serve(Server *server, uint64_t seconds)
{
    uint64_t end = seconds == 0 ? ECS_IO_FOREVER : ecs_io_now() + seconds * SECOND_NS;
    accept_begin(server);
    while (signal_seen == 0 && !server->failed && ecs_io_now() < end) {
        uint64_t wait = end == ECS_IO_FOREVER ? ECS_IO_FOREVER : left_until(end);
        ecs_status status;
        if (server->lifetime_ns > 0 && wait > SECOND_NS) wait = SECOND_NS;
        status = ecs_io_wait(server->world, wait);
        server->now = ecs_io_now();
        if (status == ECS_OK || status == ECS_TIMEOUT || status == ECS_CANCELLED) {
            status = ecs_tick(server->world, 0.0f);
        }
        if (status == ECS_OK) continue;
        fprintf(stderr, "http_server: %s\n", ecs_status_text(status));
        server->failed = true;
    }
}

/* Serves until it is told to stop. The exit status. */
static int run(Server *server, const Options *options)
{
    ecs_io_stats io;
    uint16_t port = 0;
    uint32_t i;
    for (i = 0; i < server->slot_count; i++) {
        server->slots[i].server = server;
        server->slots[i].handle = -1;
        server->slots[i].file = -1;
        server->slots[i].next_free = i + 1;
    }
    if (world_create(server) == NULL) {
        fprintf(stderr, "http_server: no world\n");
        return 1;
    }
    server->listener = listener_open(options, &port);
    if (server->listener >= 0) {
        printf("listening on %s:%u\n", options->any ? "0.0.0.0" : "127.0.0.1", (unsigned)port);
        (void)fflush(stdout);
        signal_world = server->world;
        serve(server, options->seconds);
        signal_world = NULL;
    }
    io = ecs_io_stats_of(server->world);
    /* All that is under way is cancelled and delivered, then the entities end. */
    server->ending = true;
    ecs_world_destroy(server->world);
    if (server->listener < 0) return 1;
    (void)close(server->listener);
    printf("http_server: %s, %llu connections, %llu requests, %llu bytes sent, %zu bytes for each "
           "connection\n", io.engine, (unsigned long long)server->accepted,
           (unsigned long long)server->requests, (unsigned long long)server->bytes_sent,
           sizeof(Slot) + sizeof(Connection));
    return server->failed ? 1 : 0;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: http_server [options]\n"
            "  --port N          0: any, which is the default; the line that is printed tells\n"
            "  --root DIR        files below it are served; /stats is there without\n"
            "  --connections N   %d: at a time, %d at most\n"
            "  --idle N          %d: seconds that a connection may do nothing, or a request take\n"
            "  --lifetime N      seconds that a connection may last; it ends whatever it does\n"
            "  --seconds N       ends after that time\n"
            "  --any             listens on all addresses, not only on this machine's own\n"
            "ECS_IO_ENGINE=blocking or evented chooses the engine\n",
            CONNECTIONS, CONNECTIONS_MAX, IDLE_S);
    return 2;
}

static bool number_read(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    size_t i;
    if (text == NULL || text[0] == '\0') return false;
    for (i = 0; text[i] != '\0'; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (value > most) return false;
    }
    *out = value;
    return value >= least;
}

static bool options_read(int argc, char **argv, Options *out)
{
    int i;
    for (i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool good = value != NULL;
        if (strcmp(argv[i], "--any") == 0) {
            out->any = true;
            continue;
        }
        if (strcmp(argv[i], "--root") == 0) {
            out->root = value;
        } else if (strcmp(argv[i], "--port") == 0) {
            good = number_read(value, 0, 65535, &out->port);
        } else if (strcmp(argv[i], "--connections") == 0) {
            good = number_read(value, 1, CONNECTIONS_MAX, &out->connections);
        } else if (strcmp(argv[i], "--idle") == 0) {
            good = number_read(value, 1, SECONDS_MAX, &out->idle_s);
        } else if (strcmp(argv[i], "--lifetime") == 0) {
            good = number_read(value, 1, SECONDS_MAX, &out->lifetime_s);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            good = number_read(value, 1, SECONDS_MAX, &out->seconds);
        } else {
            return false;
        }
        if (!good) return false;
        i++;
    }
    return true;
}

int main(int argc, char **argv)
{
    Options options;
    Server server;
    int code;
    memset(&options, 0, sizeof options);
    memset(&server, 0, sizeof server);
    options.connections = CONNECTIONS;
    options.idle_s = IDLE_S;
    if (!options_read(argc, argv, &options)) return usage();
    server.root = -1;
    if (options.root != NULL) {
        server.root = open(options.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (server.root < 0) {
            fprintf(stderr, "http_server: %s: %s\n", options.root, strerror(errno));
            return 1;
        }
    }
    server.slot_count = (uint32_t)options.connections;
    server.idle_ns = options.idle_s * SECOND_NS;
    server.lifetime_ns = options.lifetime_s * SECOND_NS;
    server.slots = (Slot *)calloc(server.slot_count, sizeof *server.slots);
    if (server.slots == NULL) {
        fprintf(stderr, "http_server: no memory for %u connections\n", server.slot_count);
        code = 1;
    } else {
        handles_allow(options.connections);
        signals_take();
        code = run(&server, &options);
    }
    free(server.slots);
    if (server.root >= 0) (void)close(server.root);
    return code;
}
