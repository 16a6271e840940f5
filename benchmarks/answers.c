// What the model says: answers in the shape of a real provider, baked once for each kind asked for.
#define _GNU_SOURCE
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_BAKED = 64,            // kinds of answers in one run
    ALL_IN_ONE_WRITE = 100000, // events per write from which on the tail joins the last write too
    WORD_BYTES = 16,           // room for one word
};

typedef struct {
    Protocol protocol;
    bool stream;
    int events;
    int per_write;
    Baked *answer;
} CacheRow;

static CacheRow cache[MAX_BAKED];
static int cached;

// The headers and fields of a real provider, so that parsing costs what it costs in life.
const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 20:00:00 GMT\r\n"
    "Content-Type: text/event-stream; charset=utf-8\r\nConnection: keep-alive\r\n"
    "openai-organization: org-x\r\nopenai-processing-ms: 12\r\nopenai-version: 2020-10-01\r\n"
    "x-request-id: req_0123456789abcdef0123456789abcdef\r\n"
    "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n"
    "Transfer-Encoding: chunked\r\n\r\n";
#define NAMES "\"id\":\"chatcmpl-CxYz0123456789abcdefghijklmnop\","
#define MADE "\"created\":1763812345,\"model\":\"gpt-5-mini-2025-08-07\","
static const char *const WORDS[8] = {" the",           " gateway", " streams", " a",
                                     " \\\"token\\\"", " to",      "\\n",      "\xc3\xa9t\xc3\xa9"};

// An HTTP chunk with one event of these lines.
static int put_lines(char *out, const char *lines) {
    return sprintf(out, "%zx\r\n%s\r\n", strlen(lines), lines);
}

static int put_event(char *out, const char *choices, const char *usage) {
    char event[EVENT_BYTES];
    snprintf(event, sizeof event,
             "data: {" NAMES "\"object\":\"chat.completion.chunk\"," MADE
             "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_560af6e559\","
             "\"choices\":[%s],\"usage\":%s,\"obfuscation\":\"aB3dE5fG7h\"}\n\n",
             choices, usage);
    return put_lines(out, event);
}

#define RESPONSE_ITEM "\"item_id\":\"msg_0123456789abcdef0123456789abcdef\",\"output_index\":0,"

// An event whose type stands twice, as OpenAI's Responses and Anthropic write it.
static int put_typed(char *out, const char *type, const char *fields) {
    char event[EVENT_BYTES];
    snprintf(event, sizeof event, "event: %s\ndata: {\"type\":\"%s\"%s}\n\n", type, type, fields);
    return put_lines(out, event);
}

static int put_candidate(char *out, const char *text, const char *finish, int events) {
    char event[EVENT_BYTES];
    snprintf(event, sizeof event,
             "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"%s\"}],\"role\": "
             "\"model\"}%s,\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 25,"
             "\"candidatesTokenCount\": %d,\"totalTokenCount\": %d,\"promptTokensDetails\": "
             "[{\"modality\": \"TEXT\",\"tokenCount\": 25}]},\"modelVersion\": "
             "\"gemini-2.5-flash\",\"responseId\": \"7HC6aZ-dMp2Dxs0Py7flgAQ\"}\r\n\r\n",
             text, finish, events, events + 25);
    return put_lines(out, event);
}

static unsigned crc_of(const unsigned char *bytes, int length) {
    unsigned crc = ~0u;
    for (int i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static int put_number(char *out, unsigned number) {
    for (int i = 0; i < 4; i++) out[i] = (char)(number >> (24 - 8 * i));
    return 4;
}

static int put_header(char *out, const char *name, const char *text) {
    return sprintf(out, "%c%s%c%c%c%s", (int)strlen(name), name, 7, 1, (int)strlen(text), text);
}

// An HTTP chunk with one frame of an AWS event stream.
static int put_frame(char *out, const char *name, const char *payload) {
    char head[256], frame[EVENT_BYTES];
    int headers = 0;
    const char *const pairs[][2] = {{":event-type", name},
                                    {":content-type", "application/json"},
                                    {":message-type", "event"}};
    for (int i = 0; i < 3; i++) {
        int start = headers;
        headers += put_header(head + headers, pairs[i][0], pairs[i][1]);
        head[start + 2 + strlen(pairs[i][0])] = 0; // the length's first byte, which ends no text here
    }
    int total = 16 + headers + (int)strlen(payload), length = 0;
    length += put_number(frame, total);
    length += put_number(frame + length, headers);
    length += put_number(frame + length, crc_of((unsigned char *)frame, 8));
    memcpy(frame + length, head, headers);
    length += headers;
    length += sprintf(frame + length, "%s", payload);
    length += put_number(frame + length, crc_of((unsigned char *)frame, length));
    int written = sprintf(out, "%x\r\n", length);
    memcpy(out + written, frame, length);
    return written + length + sprintf(out + written + length, "\r\n");
}

int put_first(char *out, Protocol protocol) {
    switch (protocol) {
    case RESPONSES: {
        int length = put_typed(out, "response.created",
                               ",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":"
                               "\"response\",\"status\":\"in_progress\",\"output\":[]}");
        return length + put_typed(out + length, "response.output_item.added",
                                  ",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":"
                                  "\"msg_0123456789abcdef0123456789abcdef\",\"type\":\"message\","
                                  "\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":"
                                  "[]}");
    }
    case MESSAGES: {
        int length = put_typed(out, "message_start",
                               ",\"message\":{\"model\":\"claude-sonnet-4-5-20250929\",\"id\":"
                               "\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":"
                               "[],\"stop_reason\":null,\"usage\":{\"input_tokens\":25,"
                               "\"output_tokens\":1}}");
        return length + put_typed(out + length, "content_block_start",
                                  ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":"
                                  "\"\"}");
    }
    case GEMINI:
        return put_candidate(out, "", "", 0);
    case CONVERSE:
        return put_frame(out, "messageStart", "{\"p\":\"abcdefghijkl\",\"role\":\"assistant\"}");
    default:
        return put_event(
            out,
            "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},"
            "\"logprobs\":null,\"finish_reason\":null}",
            "null");
    }
}

int put_text(char *out, Protocol protocol, const char *text) {
    char fields[512];
    switch (protocol) {
    case RESPONSES:
        snprintf(fields, sizeof fields,
                 ",\"content_index\":0,\"delta\":\"%s\"," RESPONSE_ITEM
                 "\"logprobs\":[],\"obfuscation\":\"aB3dE5fG7h\",\"sequence_number\":42",
                 text);
        return put_typed(out, "response.output_text.delta", fields);
    case MESSAGES:
        snprintf(fields, sizeof fields,
                 ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}          ", text);
        return put_typed(out, "content_block_delta", fields);
    case GEMINI:
        return put_candidate(out, text, "", 7);
    case CONVERSE:
        snprintf(fields, sizeof fields,
                 "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"%s\"},\"p\":\"abcdefghijklmnop\"}",
                 text);
        return put_frame(out, "contentBlockDelta", fields);
    default:
        snprintf(
            fields, sizeof fields,
            "{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":null}",
            text);
        return put_event(out, fields, "null");
    }
}

#define END_OF_BODY "0\r\n\r\n"

// Finish, usage, the mark of the end, end of body.
int put_tail(char *out, Protocol protocol, int events) {
    char fields[512];
    int length;
    switch (protocol) {
    case RESPONSES:
        snprintf(fields, sizeof fields,
                 ",\"sequence_number\":99,\"response\":{\"id\":\"resp_1\",\"status\":"
                 "\"completed\",\"model\":\"gpt-5-mini-2025-08-07\",\"output\":[],\"usage\":{"
                 "\"input_tokens\":25,\"output_tokens\":%d}}",
                 events);
        length = put_typed(out, "response.completed", fields);
        break;
    case MESSAGES:
        length = put_typed(out, "content_block_stop", ",\"index\":0");
        snprintf(fields, sizeof fields,
                 ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{"
                 "\"input_tokens\":25,\"output_tokens\":%d}",
                 events);
        length += put_typed(out + length, "message_delta", fields);
        length += put_typed(out + length, "message_stop", "");
        break;
    case GEMINI:
        length = put_candidate(out, "", ",\"finishReason\": \"STOP\"", events);
        break;
    case CONVERSE:
        length = put_frame(out, "contentBlockStop", "{\"contentBlockIndex\":0}");
        length += put_frame(out + length, "messageStop", "{\"stopReason\":\"end_turn\"}");
        snprintf(fields, sizeof fields,
                 "{\"metrics\":{\"latencyMs\":7},\"usage\":{\"inputTokens\":25,\"outputTokens\":%d,"
                 "\"totalTokens\":%d}}",
                 events, events + 25);
        length += put_frame(out + length, "metadata", fields);
        break;
    default:
        snprintf(fields, sizeof fields,
                 "{\"prompt_tokens\":25,\"completion_tokens\":%d,\"total_tokens\":%d,"
                 "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
                 "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"
                 "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
                 events, events + 25);
        length = put_event(
            out, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}", "null");
        length += put_event(out + length, "", fields);
        length += put_lines(out + length, "data: [DONE]\n\n");
    }
    return length + sprintf(out + length, END_OF_BODY);
}

static void end_write(Baked *answer, int offset) { answer->cuts[answer->cut_count++] = offset; }

static void bake_stream(Baked *answer, Protocol protocol, int events, int per_write) {
    answer->bytes = malloc(HEAD_BYTES + (events + 8) * EVENT_BYTES);
    int length = sprintf(answer->bytes, "%s", STREAM_HEAD);
    length += put_first(answer->bytes + length, protocol);
    int in_this_write = 1;
    for (int i = 0; i < events; i++) {
        if (in_this_write >= per_write) {
            end_write(answer, length);
            in_this_write = 0;
        }
        length += put_text(answer->bytes + length, protocol, WORDS[i % 8]);
        in_this_write++;
    }
    if (in_this_write + 2 > per_write && per_write < ALL_IN_ONE_WRITE) end_write(answer, length);
    length += put_tail(answer->bytes + length, protocol, events);
    end_write(answer, length);
    answer->length = length;
}

static void bake_object(Baked *answer, int events) {
    char *text = malloc((events + 1) * WORD_BYTES);
    int text_length = 0;
    for (int i = 0; i < events; i++) text_length += sprintf(text + text_length, "%s", WORDS[i % 8]);
    text[text_length] = 0;
    char *object = malloc(text_length + HEAD_BYTES);
    int length = sprintf(
        object,
        "{" NAMES "\"object\":\"chat.completion\"," MADE
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\","
        "\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":%d,\"total_tokens\":%d},"
        "\"service_tier\":\"default\"}",
        text, events, events + 25);
    answer->bytes = malloc(length + HEAD_BYTES);
    answer->length =
        sprintf(answer->bytes,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                length, object);
    end_write(answer, answer->length);
    free(text);
    free(object);
}

const Baked *baked(Protocol protocol, bool stream, int events, int per_write) {
    for (int i = 0; i < cached; i++) {
        const CacheRow *row = &cache[i];
        if (row->protocol == protocol && row->stream == stream &&
            row->events == events && row->per_write == per_write)
            return row->answer;
    }
    if (cached == MAX_BAKED) {
        fprintf(stderr, "model: more than %d kinds of answers\n", MAX_BAKED);
        exit(1);
    }
    Baked *answer = calloc(1, sizeof *answer);
    answer->cuts = malloc(sizeof(int) * (events + 16));
    if (stream)
        bake_stream(answer, protocol, events, per_write);
    else
        bake_object(answer, events);
    cache[cached++] = (CacheRow){protocol, stream, events, per_write, answer};
    return answer;
}
