// A model server for benchmarks: OpenAI-compatible, one thread, epoll, answers baked beforehand.
//
// usage: model PORT
//
// A marker inside the request body picks the answer:
//   @@bN,K@@  burst: N content events, K events per write
//   @@pN,R@@  paced: N content events at R per second, each with its time of leaving: ~T<16 digits>
// Without "stream": true in the body the answer is one JSON object with the text of N events.
//
// It must cost next to nothing, since it shares its core with the load client: whatever it burns is
// missing from what is measured. Hence bytes baked once per kind of answer, and a timer wheel
// instead of a heap.
//
// With MOCK_LOG in the environment, requests to unknown paths are written to stderr.
#define _GNU_SOURCE
#include "answers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_DESCRIPTORS = 65536,
    WHEEL_SLOTS = 4096, // one per millisecond; who is due later than that comes round again
    WAIT_EVENTS = 512,
    BACKLOG = 4096,
    MIN_READ = 65536,
    BLOCKED_US = 50, // pause before a paced write is tried again on a full socket
};
static const long long SECOND = 1000000000LL, MILLISECOND = 1000000LL; // ns
static const char SEPARATOR[] = "\r\n\r\n";

typedef struct Connection {
    int fd; // -1: closed, but still on the timer wheel
    char *in;
    int in_length, in_capacity;
    Protocol protocol;   // of the request that is being answered
    const Baked *answer; // being written, from `offset`, up to cut number `cut`
    int cut, offset;
    int paced_left, per_second, paced_sent;
    long long due; // ns, monotonic
    struct Connection *next_in_slot;
    bool wants_out;
} Connection;

static Connection *connections[MAX_DESCRIPTORS];
static Connection *wheel[WHEEL_SLOTS];
static int poller;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

// ---- writing -------------------------------------------------------------------------------

static void watch_out(Connection *connection, bool wanted) {
    if (connection->wants_out == wanted) return;
    connection->wants_out = wanted;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0),
                                .data.fd = connection->fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
}

static void release(Connection *connection) {
    free(connection->in);
    free(connection);
}

static void drop(Connection *connection) {
    connections[connection->fd] = NULL;
    close(connection->fd);
    connection->fd = -1;
    // A paced connection still hangs on the wheel, which lets it go when its turn comes.
    if (!connection->paced_left) release(connection);
}

// Goes on with a baked answer. False: the peer is gone and so is the connection.
static bool pump(Connection *connection) {
    while (connection->answer) {
        const Baked *answer = connection->answer;
        int end = answer->cuts[connection->cut];
        ssize_t sent = send(connection->fd, answer->bytes + connection->offset,
                            end - connection->offset, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            watch_out(connection, true);
            return true;
        }
        if (sent < 0) {
            drop(connection);
            return false;
        }
        connection->offset += sent;
        if (connection->offset < end) continue;
        if (++connection->cut >= answer->cut_count) {
            connection->answer = NULL;
            watch_out(connection, false);
        }
    }
    return true;
}

// Small answers and single events, which nearly always fit.
static void write_all(Connection *connection, const char *bytes, int length) {
    for (int done = 0; done < length;) {
        ssize_t sent = send(connection->fd, bytes + done, length - done, MSG_NOSIGNAL);
        if (sent >= 0)
            done += sent;
        else if (errno == EAGAIN)
            usleep(BLOCKED_US);
        else
            return;
    }
}

// ---- paced streams -------------------------------------------------------------------------

static void schedule(Connection *connection) {
    int slot = (connection->due / MILLISECOND) % WHEEL_SLOTS;
    connection->next_in_slot = wheel[slot];
    wheel[slot] = connection;
}

static void send_paced(Connection *connection) {
    char out[2 * HEAD_BYTES], stamp[64];
    int length = 0;
    if (connection->paced_sent == 0) {
        length = sprintf(out, "%s", STREAM_HEAD);
        length += put_first(out + length, connection->protocol);
    }
    snprintf(stamp, sizeof stamp, " ~T%016lld", now());
    length += put_text(out + length, connection->protocol, stamp);
    connection->paced_sent++;
    connection->paced_left--;
    if (!connection->paced_left) length += put_tail(out + length, connection->protocol, connection->paced_sent);
    write_all(connection, out, length);
}

static void turn_wheel(long long millisecond) {
    int slot = millisecond % WHEEL_SLOTS;
    Connection *connection = wheel[slot];
    wheel[slot] = NULL;
    while (connection) {
        Connection *next = connection->next_in_slot;
        if (connection->fd < 0) {
            release(connection);
        } else if (connection->due / MILLISECOND > millisecond) {
            schedule(connection);
        } else {
            send_paced(connection);
            if (connection->paced_left) {
                connection->due += SECOND / connection->per_second;
                // Behind schedule: the next slot, not one that has gone by.
                if (connection->due / MILLISECOND <= millisecond)
                    connection->due = (millisecond + 1) * MILLISECOND;
                schedule(connection);
            }
        }
        connection = next;
    }
}

// ---- requests ------------------------------------------------------------------------------

static bool contains(const char *text, int length, const char *wanted) {
    return memmem(text, length, wanted, strlen(wanted)) != NULL;
}

// The last marker of the body, so that markers in the history before it do not count.
static const char *last_marker(const char *body, int length) {
    const char *marker = NULL, *end = body + length, *at = body;
    while ((at = memmem(at, end - at, "@@", 2))) {
        if (at + 2 < end && (at[2] == 'b' || at[2] == 'p')) marker = at;
        at += 2;
    }
    return marker;
}

// False: the connection is gone.
static bool complete(Connection *connection, const char *body, int length) {
    bool stream =
        connection->protocol == GEMINI || connection->protocol == CONVERSE ||
        contains(body, length, "\"stream\":true") || contains(body, length, "\"stream\": true");
    const char *marker = last_marker(body, length);
    char kind = 'b';
    int events = 1, second = 1000000;
    if (marker) {
        kind = marker[2];
        events = atoi(marker + 3);
        const char *comma = memchr(marker, ',', 16);
        if (comma) second = atoi(comma + 1);
    }
    if (kind == 'p' && stream) {
        connection->paced_left = events;
        connection->per_second = second;
        connection->paced_sent = 0;
        send_paced(connection);
        if (connection->paced_left) {
            connection->due = now() + SECOND / second;
            schedule(connection);
        }
        return true;
    }
    connection->answer = baked(connection->protocol, stream, events, second);
    connection->cut = connection->offset = 0;
    return pump(connection);
}

static void write_json(Connection *connection, const char *status, const char *body) {
    char out[EVENT_BYTES];
    int length =
        snprintf(out, sizeof out,
                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 status, strlen(body), body);
    write_all(connection, out, length);
}

// What is asked for where.
static const struct {
    const char *start;
    Protocol protocol;
} DOORS[] = {
    {"POST /v1/chat/completions ", CHAT},
    {"POST /v1/responses ", RESPONSES},
    {"POST /v1/messages", MESSAGES},
    {"POST /v1beta/models/", GEMINI},
    {"POST /model/", CONVERSE},
};

// False: the connection is gone.
static bool answer_request(Connection *connection, const char *head, const char *body,
                           int body_length) {
    for (size_t i = 0; i < sizeof DOORS / sizeof *DOORS; i++) {
        if (strncmp(head, DOORS[i].start, strlen(DOORS[i].start))) continue;
        connection->protocol = DOORS[i].protocol;
        return complete(connection, body, body_length);
    }
    if (!memcmp(head, "GET ", 4)) {
        // Any GET: a list of models that also passes as a health report.
        write_json(
            connection, "200 OK",
            "{\"object\":\"list\",\"data\":[{\"id\":\"root\",\"object\":\"model\",\"created\":1,"
            "\"owned_by\":\"x\",\"max_model_len\":32768}],\"status\":\"ok\",\"model_path\":"
            "\"root\","
            "\"served_model_name\":\"root\"}");
        return true;
    }
    if (getenv("MOCK_LOG")) fprintf(stderr, "404 %.*s\n", (int)strcspn(head, "\r"), head);
    write_json(connection, "404 Not Found", "{}");
    return true;
}

// Length of the body that follows the head, chunk framing included; -1: not all there yet.
static int body_length(const Connection *connection, int head_length) {
    const char *length = strcasestr(connection->in, "content-length:");
    if (length) return atoi(length + strlen("content-length:"));
    if (!strcasestr(connection->in, "transfer-encoding: chunked")) return 0;
    const char *body = connection->in + head_length;
    const char *end = memmem(body, connection->in_length - head_length, "\r\n0\r\n\r\n", 7);
    return end ? (int)(end + 7 - body) : -1;
}

// Everything that has arrived into `in`. False: the connection is gone.
static bool receive(Connection *connection) {
    for (;;) {
        if (connection->in_capacity - connection->in_length < MIN_READ) {
            connection->in_capacity = connection->in_capacity * 2 + 2 * MIN_READ;
            connection->in = realloc(connection->in, connection->in_capacity + 1);
        }
        int room = connection->in_capacity - connection->in_length;
        ssize_t got = recv(connection->fd, connection->in + connection->in_length, room, 0);
        if (got < 0 && errno == EAGAIN) return true;
        if (got <= 0) {
            drop(connection);
            return false;
        }
        connection->in_length += got;
        if (got < room) return true;
    }
}

static void on_readable(Connection *connection) {
    if (!receive(connection)) return;
    while (connection->in_length) {
        connection->in[connection->in_length] = 0;
        char *end = memmem(connection->in, connection->in_length, SEPARATOR, 4);
        if (!end) return;
        int head_length = end + 4 - connection->in;
        *end = 0; // the head alone is searched for its fields
        int length = body_length(connection, head_length);
        *end = '\r';
        if (length < 0 || connection->in_length < head_length + length) return;
        if (!answer_request(connection, connection->in, connection->in + head_length, length))
            return;
        connection->in_length -= head_length + length;
        memmove(connection->in, connection->in + head_length + length, connection->in_length);
    }
}

// ---- the loop ------------------------------------------------------------------------------

static int listen_on(int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG)) {
        perror("model: bind");
        exit(1);
    }
    return listener;
}

static void watch(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_DESCRIPTORS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connections[fd] = calloc(1, sizeof(Connection));
        connections[fd]->fd = fd;
        watch(fd);
    }
}

static void handle(int listener, const struct epoll_event *event) {
    if (event->data.fd == listener) {
        accept_all(listener);
        return;
    }
    Connection *connection = connections[event->data.fd];
    if (!connection) return;
    if ((event->events & EPOLLOUT) && !pump(connection)) return;
    if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(connection);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: model PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_on(atoi(arguments[1]));
    poller = epoll_create1(0);
    watch(listener);
    struct epoll_event events[WAIT_EVENTS];
    long long turned = now() / MILLISECOND;
    for (;;) {
        int ready = epoll_wait(poller, events, WAIT_EVENTS, 1);
        for (int i = 0; i < ready; i++) handle(listener, &events[i]);
        long long millisecond = now() / MILLISECOND;
        while (turned < millisecond) turn_wheel(++turned);
    }
}
