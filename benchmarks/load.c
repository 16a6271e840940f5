// A load client for benchmarks: one thread, epoll, closed loop or one request per connection.
//
// usage: load PORT PATH BODYFILE CONNECTIONS SECONDS MAX_REQUESTS MODE RAMP
//   MAX_REQUESTS  0: no limit
//   MODE          c: each connection asks again as soon as it was answered; o: each asks once
//   RAMP          connections opened per second; 0: all at once
//
// Prints one JSON line: counts, rates, and percentiles in microseconds of
//   lat   whole answers
//   ttft  first token: the first stamp, or where there are no stamps the second event
//   lag   one way, per token: from the model's stamp ~T<16 digits of monotonic ns> to here
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 8192,
    MAX_BODY = 1 << 22,
    READ_BYTES = 1 << 18,
    WAIT_EVENTS = 512,
    STAMP_BYTES = 18, // ~T and 16 digits
    TAIL_BYTES = STAMP_BYTES - 1,
    EVENT_MARK = 6,       // "data: "
    GIVE_UP_AFTER = 1000, // failures
    BUCKETS = 200000,
    FINE_BUCKETS = 20000, // of one microsecond; above, 100 microseconds each
    COARSE_US = 100,
};
static const long long SECOND = 1000000000LL; // ns

typedef enum { HEAD, PLAIN_BODY, CHUNK_SIZE, CHUNK, CHUNK_END, LAST_END } State;

typedef struct {
    int fd;
    State state;
    long long asked; // ns, monotonic
    bool first_seen; // the first token of this answer has come
    bool done;       // asked once and answered: the server may close now
    int status;
    long left; // bytes left in this state
    long events;
    char head[HEAD_BYTES];
    int head_length;
    char size[32]; // of the current chunk, in hex digits
    int size_length;
    char tail[TAIL_BYTES]; // the end of the body so far
    int tail_length;
} Connection;

typedef struct {
    long long count, max;
    unsigned buckets[BUCKETS];
} Histogram;

static Histogram latency, first_token, lag;
static long long good, bad, body_bytes, events;
static long fewest_events = 1L << 40, most_events;
static char *request;
static int request_length;
static int poller;
static struct sockaddr_in address;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

// ---- histograms ----------------------------------------------------------------------------

static void note(Histogram *histogram, long long ns) {
    if (ns < 0) ns = 0;
    long long us = ns / 1000;
    long long bucket = us < FINE_BUCKETS ? us : FINE_BUCKETS + (us - FINE_BUCKETS) / COARSE_US;
    histogram->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    histogram->count++;
    if (ns > histogram->max) histogram->max = ns;
}

// Microseconds; the middle of the bucket. 0 when nothing was noted.
static double percentile(const Histogram *histogram, double part) {
    long long rank = histogram->count * part, seen = 0;
    if (!histogram->count) return 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > rank)
            return i < FINE_BUCKETS ? i + 0.5
                                    : FINE_BUCKETS + (i - FINE_BUCKETS) * (double)COARSE_US + 50;
    }
    return histogram->max / 1e3;
}

// ---- answers -------------------------------------------------------------------------------

static void note_first(Connection *connection, long long time) {
    if (connection->first_seen) return;
    connection->first_seen = true;
    note(&first_token, time - connection->asked);
}

static void note_stamp(Connection *connection, const char *stamp, long long time) {
    long long left = 0;
    // No strtoll: what follows the digits may be left over from an earlier read.
    for (int i = 2; i < STAMP_BYTES; i++) left = left * 10 + (stamp[i] - '0');
    note(&lag, time - left);
    note_first(connection, time);
}

// Whether a match counts: all do without a border (-1), else those that lie on both sides of it.
static bool counts(long start, int size, int border) {
    return border < 0 || (start < border && start + size > border);
}

static void scan(Connection *connection, const char *bytes, int length, int border,
                 long long time) {
    const char *end = bytes + length, *at;
    for (at = bytes; (at = memmem(at, end - at, "~T", 2)) && end - at >= STAMP_BYTES; at += 2)
        if (counts(at - bytes, STAMP_BYTES, border)) note_stamp(connection, at, time);
    for (at = bytes; (at = memmem(at, end - at, "data: ", EVENT_MARK)); at += EVENT_MARK)
        if (counts(at - bytes, EVENT_MARK, border)) connection->events++;
}

// Stamps and events that began in an earlier read and end in this one.
static void scan_border(Connection *connection, const char *bytes, int length, long long time) {
    char joined[2 * TAIL_BYTES];
    int before = connection->tail_length, more = length < TAIL_BYTES ? length : TAIL_BYTES;
    memcpy(joined, connection->tail, before);
    memcpy(joined + before, bytes, more);
    scan(connection, joined, before + more, before, time);
    int kept = before + more < TAIL_BYTES ? before + more : TAIL_BYTES;
    if (length >= TAIL_BYTES)
        memcpy(connection->tail, bytes + length - TAIL_BYTES, TAIL_BYTES);
    else
        memcpy(connection->tail, joined + before + more - kept, kept);
    connection->tail_length = kept;
}

static void on_body(Connection *connection, const char *bytes, int length, long long time) {
    scan_border(connection, bytes, length, time);
    scan(connection, bytes, length, -1, time);
    body_bytes += length;
    // The first event carries the role alone.
    if (!lag.count && connection->events > 1) note_first(connection, time);
}

// Returns how many bytes belonged to the head. A head without body ends the answer: `*complete`.
static int on_head(Connection *connection, const char *bytes, int length, bool *complete) {
    int room = HEAD_BYTES - 1 - connection->head_length, before = connection->head_length;
    int taken = length < room ? length : room;
    memcpy(connection->head + before, bytes, taken);
    connection->head_length += taken;
    connection->head[connection->head_length] = 0;
    char *end = strstr(connection->head, "\r\n\r\n");
    if (!end) return taken;
    end[2] = 0;
    connection->status = atoi(connection->head + strlen("HTTP/1.1 "));
    const char *field = strcasestr(connection->head, "content-length:");
    if (strcasestr(connection->head, "chunked")) {
        connection->state = CHUNK_SIZE;
    } else {
        connection->left = field ? atol(field + strlen("content-length:")) : 0;
        connection->state = PLAIN_BODY;
        *complete = !connection->left;
    }
    return end + 4 - connection->head - before;
}

static void on_size_byte(Connection *connection, char byte) {
    if (byte != '\n') {
        if (connection->size_length < (int)sizeof connection->size - 2)
            connection->size[connection->size_length++] = byte;
        return;
    }
    connection->size[connection->size_length] = 0;
    connection->size_length = 0;
    connection->left = strtol(connection->size, NULL, 16);
    connection->state = connection->left ? CHUNK : LAST_END;
    if (!connection->left) connection->left = 2; // CR LF
}

// True when the answer is complete.
static bool eat(Connection *connection, const char *bytes, int length, long long time) {
    bool complete = false;
    while (length > 0 && !complete) {
        int taken = length < connection->left ? length : (int)connection->left;
        switch (connection->state) {
        case HEAD:
            taken = on_head(connection, bytes, length, &complete);
            break;
        case CHUNK_SIZE:
            taken = 1;
            on_size_byte(connection, *bytes);
            break;
        case PLAIN_BODY:
        case CHUNK:
            on_body(connection, bytes, taken, time);
            // fall through
        case CHUNK_END:
        case LAST_END:
            connection->left -= taken;
            if (connection->left) break;
            complete = connection->state == PLAIN_BODY || connection->state == LAST_END;
            if (connection->state == CHUNK) connection->left = 2; // CR LF
            connection->state = connection->state == CHUNK ? CHUNK_END : CHUNK_SIZE;
        }
        bytes += taken;
        length -= taken;
    }
    return complete;
}

// ---- requests ------------------------------------------------------------------------------

static void prepare_request(int port, const char *path, const char *file) {
    FILE *source = fopen(file, "rb");
    if (!source) {
        perror(file);
        exit(1);
    }
    char *body = malloc(MAX_BODY);
    int length = fread(body, 1, MAX_BODY, source);
    fclose(source);
    request = malloc(length + HEAD_BYTES);
    request_length =
        snprintf(request, HEAD_BYTES,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                 "Accept: */*\r\nAuthorization: Bearer test-key\r\nUser-Agent: load\r\n"
                 "Content-Length: %d\r\n\r\n",
                 path, port, length);
    memcpy(request + request_length, body, length);
    request_length += length;
    free(body);
}

static void open_connection(Connection *connection) {
    int one = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address)) {
        perror("load: connect");
        exit(1);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event);
}

static void ask(Connection *connection) {
    connection->state = HEAD;
    connection->head_length = connection->size_length = connection->tail_length = 0;
    connection->events = 0;
    connection->first_seen = false;
    connection->asked = now();
    for (int done = 0; done < request_length;) {
        ssize_t sent = send(connection->fd, request + done, request_length - done, MSG_NOSIGNAL);
        if (sent < 0) {
            perror("load: send");
            bad++;
            return;
        }
        done += sent;
    }
}

static void note_answer(const Connection *connection, long long time) {
    note(&latency, time - connection->asked);
    if (connection->status == 200)
        good++;
    else
        bad++;
    events += connection->events;
    if (connection->events < fewest_events) fewest_events = connection->events;
    if (connection->events > most_events) most_events = connection->events;
}

// ---- the run -------------------------------------------------------------------------------

typedef struct {
    Connection *connections;
    int count, opened, alive; // alive: waiting for an answer
    double ramp;              // per second
    bool closed_loop;
    long max_requests, asked;
    long long start;
} Run;

static void open_due(Run *run, long long time) {
    int due = run->ramp > 0 ? (int)((time - run->start) / 1e9 * run->ramp) + 1 : run->count;
    if (due > run->count) due = run->count;
    while (run->opened < due) {
        Connection *connection = &run->connections[run->opened++];
        open_connection(connection);
        ask(connection);
        run->asked++;
        run->alive++;
    }
}

static void on_closed(Run *run, Connection *connection) {
    close(connection->fd);
    // Servers close idle connections after a while: no failure when this one was answered.
    if (connection->done) return;
    bad++;
    run->alive--;
    if (run->closed_loop && bad <= GIVE_UP_AFTER) {
        open_connection(connection);
        ask(connection);
        run->alive++;
    }
}

static void on_readable(Run *run, Connection *connection) {
    static char buffer[READ_BYTES];
    ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);
    long long time = now();
    if (got <= 0) {
        on_closed(run, connection);
        return;
    }
    if (!eat(connection, buffer, got, time)) return;
    note_answer(connection, time);
    if (run->closed_loop && (!run->max_requests || run->asked < run->max_requests)) {
        ask(connection);
        run->asked++;
    } else {
        run->alive--;
        connection->done = true;
    }
}

static void drive(Run *run, double seconds) {
    struct epoll_event ready[WAIT_EVENTS];
    long long end = run->start + (long long)(seconds * 1e9), time;
    while ((time = now()) <= end) {
        open_due(run, time);
        if (run->opened == run->count && !run->alive) return;
        int count = epoll_wait(poller, ready, WAIT_EVENTS, run->opened < run->count ? 1 : 100);
        for (int i = 0; i < count; i++) {
            on_readable(run, ready[i].data.ptr);
            if (bad > GIVE_UP_AFTER) return;
        }
    }
}

static void print_result(const Run *run) {
    double seconds = (now() - run->start) / 1e9;
    printf("{\"ok\":%lld,\"bad\":%lld,\"secs\":%.4f,\"rps\":%.2f,\"eps\":%.1f,\"mbps\":%.2f,"
           "\"ev_min\":%ld,\"ev_max\":%ld,",
           good, bad, seconds, good / seconds, events / seconds, body_bytes / seconds / 1e6,
           fewest_events, most_events);
    printf("\"lat50\":%.1f,\"lat99\":%.1f,\"ttft50\":%.1f,\"ttft99\":%.1f,\"ttftmax\":%.1f,",
           percentile(&latency, .5), percentile(&latency, .99), percentile(&first_token, .5),
           percentile(&first_token, .99), first_token.max / 1e3);
    printf("\"lag50\":%.1f,\"lag99\":%.1f,\"lag999\":%.1f,\"lagmax\":%.1f,\"lagn\":%lld,"
           "\"unfinished\":%d}\n",
           percentile(&lag, .5), percentile(&lag, .99), percentile(&lag, .999), lag.max / 1e3,
           lag.count, run->alive);
}

int main(int count, char **arguments) {
    if (count != 9) {
        fprintf(stderr,
                "usage: load PORT PATH BODYFILE CONNECTIONS SECONDS MAX_REQUESTS c|o RAMP\n");
        return 2;
    }
    int port = atoi(arguments[1]);
    prepare_request(port, arguments[2], arguments[3]);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    poller = epoll_create1(0);
    Run run = {.count = atoi(arguments[4]),
               .ramp = atof(arguments[8]),
               .closed_loop = arguments[7][0] == 'c'};
    run.max_requests = atol(arguments[6]);
    run.connections = calloc(run.count, sizeof(Connection));
    run.start = now();
    drive(&run, atof(arguments[5]));
    print_result(&run);
    return 0;
}
