// What the model says. `put_*` write one piece with its HTTP chunk framing and return its length.
#pragma once
#include <stdbool.h>

enum {
    EVENT_BYTES = 1024, // room for one event, HTTP chunk framing included
    HEAD_BYTES = 4096,  // room for status, headers and the events around the text
};

// A whole answer: `cuts` are the offsets at which one write ends.
typedef struct {
    char *bytes;
    int length;
    int *cuts;
    int cut_count;
} Baked;

extern const char STREAM_HEAD[]; // status and headers of a stream

// Whose words a stream is in.
typedef enum { CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE } Protocol;

int put_first(char *out, Protocol protocol);                  // what comes before the text
int put_text(char *out, Protocol protocol, const char *text); // text, JSON-escaped already
int put_tail(char *out, Protocol protocol, int events);       // finish, usage, end of the body

// The answer with the text of so many events; made at first request, kept for ever.
const Baked *baked(Protocol protocol, bool stream, int events, int per_write);
