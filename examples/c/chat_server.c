/* A chat room: one program that serves its page and everyone in it, on one port.

     chat_server [--host 127.0.0.1] [--port 8080]

   A browser gets the page (chat.html, built into the program); a WebSocket client gets the chat. What
   clients send is plain text: a line is a message, and two commands begin with a slash:

     /name NAME    be called NAME from now on
     /who          who is there?

   What they get is a line of text for each event, or, when they ask for the subprotocol "chat.json" as
   the page does, a JSON object:

     {"type":"hello","name":"guest-3"}                                your name, on arrival and when it changes
     {"type":"people","names":["Ann","guest-3"]}                      everyone, when somebody comes, goes or is renamed
     {"type":"message","time":1700000000,"from":"Ann","text":"Hi"}    also for the last messages, on arrival
     {"type":"notice","text":"Ann is here"}

   A chat.json client is announced to the others once it has introduced itself with /name. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <wsock.h>
#include "chat_page.h" /* unsigned char chat_page[]: chat.html as bytes; the Makefile shows how */

enum {
    MAX_PEOPLE = 200,
    NAME_SIZE = 65,     /* bytes, with the NUL */
    TEXT_SIZE = 2001,   /* likewise; longer messages get 1009 from the library */
    HISTORY = 50,       /* messages that newcomers see */
    MESSAGE_COST = 500, /* each takes that many milliseconds off an allowance ... */
    ALLOWANCE = 5000    /* ... which grows by one each millisecond, up to this: ten at once, then two a second */
};

struct person {
    struct person *next;
    wsock_conn *conn;
    bool json;       /* speaks chat.json */
    bool announced;
    char name[NAME_SIZE];
    long long allowance, counted_at;
};

struct message {
    long long time;
    char from[NAME_SIZE], text[TEXT_SIZE];
};

static wsock_loop *loop;
static wsock_hub *hub; /* everybody is at one of two topics */
static struct person *people;
static int people_count, guests;
static struct message history[HISTORY];
static unsigned history_count; /* ever; the newest is at (history_count - 1) % HISTORY */

/* ---- what we say: built in `out`, which is large enough for the list of all people */

static char out[32 * 1024];
static size_t out_len;

static void put_char(char c)
{
    if (out_len < sizeof out)
        out[out_len++] = c;
}

static void put(const char *text)
{
    while (*text)
        put_char(*text++);
}

/* As a JSON string. Everything but quotes, backslashes and control characters stands for itself. */
static void put_json(const char *text)
{
    char escape[8];
    put_char('"');
    for (; *text; text++) {
        if ((unsigned char)*text < ' ') {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*text);
            put(escape);
        } else {
            if (*text == '"' || *text == '\\')
                put_char('\\');
            put_char(*text);
        }
    }
    put_char('"');
}

static void render_hello(bool json, const char *name)
{
    out_len = 0;
    put(json ? "{\"type\":\"hello\",\"name\":" : "* you are ");
    json ? put_json(name) : put(name);
    put(json ? "}" : " (/name NAME changes that, /who tells who is there)");
}

static void render_people(bool json)
{
    out_len = 0;
    put(json ? "{\"type\":\"people\",\"names\":[" : "* here: ");
    const char *separator = "";
    for (struct person *person = people; person; person = person->next) {
        if (!person->announced)
            continue;
        put(separator);
        json ? put_json(person->name) : put(person->name);
        separator = json ? "," : ", ";
    }
    put(json ? "]}" : "");
}

static void render_message(bool json, const struct message *message)
{
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%lld", message->time);
    out_len = 0;
    if (json) {
        put("{\"type\":\"message\",\"time\":"), put(seconds);
        put(",\"from\":"), put_json(message->from);
        put(",\"text\":"), put_json(message->text), put("}");
    } else {
        put(message->from), put(": "), put(message->text);
    }
}

static void render_notice(bool json, const char *text)
{
    out_len = 0;
    put(json ? "{\"type\":\"notice\",\"text\":" : "* ");
    json ? put_json(text) : put(text);
    put(json ? "}" : "");
}

static const char *topic(bool json)
{
    return json ? "json" : "lines";
}

/* Send what was rendered. It is copied, so `out` is free again at once. Who does not read what is sent is
   closed by the library: WSOCK_OPT_OVERFLOW. */
static void tell(struct person *person)
{
    wsock_conn_send_text(person->conn, out, out_len);
}

static void tell_all(bool json)
{
    wsock_hub_publish(hub, topic(json), WSOCK_TEXT, out, out_len, NULL);
}

static void notice_to_all(const char *who, const char *does, const char *what)
{
    char text[3 * NAME_SIZE];
    snprintf(text, sizeof text, "%s %s%s", who, does, what);
    for (int json = 0; json < 2; json++)
        render_notice(json, text), tell_all(json);
    render_people(true), tell_all(true);
}

/* ---- what we hear */

/* A copy as one tidy line: control characters become blanks (they would steer other people's terminals),
   blanks around it go, and what is too long is cut between characters. The library has seen to it that
   the text is UTF-8. */
static void tidy(char *to, size_t size, const char *from, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)from[i];
        bool c1 = c == 0xc2 && i + 1 < len && (unsigned char)from[i + 1] < 0xa0; /* U+0080 to U+009F */
        char kept = c < ' ' || c == 0x7f || c1 ? ' ' : from[i];
        if (n == size - 1) {
            while (n > 0 && ((unsigned char)from[i] & 0xc0) == 0x80)
                i--, n--; /* do not leave half a character */
            break;
        }
        if (n > 0 || kept != ' ')
            to[n++] = kept;
        i += c1;
    }
    while (n > 0 && to[n - 1] == ' ')
        n--;
    to[n] = '\0';
}

static bool name_is_taken(const char *name, const struct person *except)
{
    for (struct person *person = people; person; person = person->next)
        if (person != except && strcasecmp(person->name, name) == 0)
            return true;
    return false;
}

static void announce(struct person *person)
{
    person->announced = true;
    notice_to_all(person->name, "is here", "");
}

static void rename_to(struct person *person, const char *wish, size_t len)
{
    char base[NAME_SIZE - 12], name[NAME_SIZE], old[NAME_SIZE]; /* room for "-2" and so on */
    tidy(base, sizeof base, wish, len);
    if (!*base) {
        render_notice(person->json, "/name wants a name");
        tell(person);
        return;
    }
    snprintf(name, sizeof name, "%s", base);
    for (int i = 2; name_is_taken(name, person); i++)
        snprintf(name, sizeof name, "%s-%d", base, i);
    memcpy(old, person->name, sizeof old);
    memcpy(person->name, name, sizeof name);
    render_hello(person->json, name);
    tell(person);
    if (!person->announced)
        announce(person);
    else if (strcmp(old, name) != 0)
        notice_to_all(old, "is now ", name);
}

static void say(struct person *person, const char *data, size_t len)
{
    struct message *message = &history[history_count % HISTORY];
    char text[TEXT_SIZE];
    tidy(text, sizeof text, data, len);
    if (!*text)
        return;
    if (!person->announced)
        announce(person);
    history_count++;
    message->time = (long long)time(NULL);
    memcpy(message->from, person->name, sizeof message->from);
    memcpy(message->text, text, sizeof text);
    for (int json = 0; json < 2; json++)
        render_message(json, message), tell_all(json);
}

static bool may_speak(struct person *person)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long now_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
    person->allowance += now_ms - person->counted_at;
    person->counted_at = now_ms;
    if (person->allowance > ALLOWANCE)
        person->allowance = ALLOWANCE;
    if (person->allowance < MESSAGE_COST)
        return false;
    person->allowance -= MESSAGE_COST;
    return true;
}

/* ---- events. The user data of a connection is its person, from on_open until `free` releases it. */

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    struct person *person = calloc(1, sizeof *person);
    if (!person || wsock_conn_set_user_data(conn, person, free) != WSOCK_OK)
        abort(); /* out of memory */
    person->conn = conn;
    person->json = strcmp(wsock_conn_get_str(conn, WSOCK_CONN_PROTOCOL, NULL), "chat.json") == 0;
    person->allowance = ALLOWANCE;
    do
        snprintf(person->name, sizeof person->name, "guest-%d", ++guests);
    while (name_is_taken(person->name, person));
    person->next = people;
    people = person;
    people_count++;

    render_hello(person->json, person->name);
    tell(person);
    for (unsigned i = history_count > HISTORY ? history_count - HISTORY : 0; i < history_count; i++)
        render_message(person->json, &history[i % HISTORY]), tell(person);
    wsock_hub_subscribe(hub, conn, topic(person->json)); /* ends with the connection */
    if (!person->json)
        announce(person);
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    struct person *person = user;
    const char *text = (const char *)data;
    if (type != WSOCK_TEXT) {
        wsock_conn_close(conn, 1003, "text only, please");
    } else if (!may_speak(person)) {
        render_notice(person->json, "not so fast, please: that was not passed on");
        tell(person);
    } else if (len >= 5 && memcmp(text, "/name", 5) == 0) {
        rename_to(person, text + 5, len - 5);
    } else if (len >= 4 && memcmp(text, "/who", 4) == 0) {
        render_people(person->json);
        tell(person);
    } else {
        say(person, text, len);
    }
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)info;
    struct person *gone = user, **link = &people;
    while (*link != gone)
        link = &(*link)->next;
    *link = gone->next;
    people_count--;
    if (gone->announced)
        notice_to_all(gone->name, "has left", "");
}

/* ---- HTTP */

static int32_t answer(wsock_request *request, int32_t status, const char *text)
{
    wsock_request_set_body(request, "text/plain; charset=utf-8", text, strlen(text));
    return status;
}

/* A page from elsewhere must not chat in the name of whoever opens it. Programs send no Origin. */
static bool from_our_page(wsock_request *request)
{
    const char *origin = wsock_request_get_str(request, WSOCK_REQUEST_ORIGIN, NULL);
    const char *authority = strstr(origin, "://");
    return !*origin
        || (authority && strcasecmp(authority + 3, wsock_request_get_str(request, WSOCK_REQUEST_HOST, NULL)) == 0);
}

static int32_t on_request(wsock_server *server, wsock_request *request, void *user)
{
    (void)server, (void)user;
    const char *path = wsock_request_get_str(request, WSOCK_REQUEST_PATH, NULL);
    const char *method = wsock_request_get_str(request, WSOCK_REQUEST_METHOD, NULL);
    bool upgrade = wsock_request_is_upgrade(request) == 1;
    if (!upgrade && strcmp(path, "/healthz") == 0)
        return answer(request, 200, "ok\n");
    if (strcmp(path, "/") != 0)
        return answer(request, 404, "There is only one page here: /\n");
    if (upgrade && !from_our_page(request))
        return answer(request, 403, "The chat is open to its own page and to programs.\n");
    if (upgrade && people_count >= MAX_PEOPLE)
        return answer(request, 503, "The room is full.\n");
    if (upgrade)
        return 0; /* go on: 101, then on_open */
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        wsock_request_add_header(request, "Allow", "GET, HEAD");
        return answer(request, 405, "GET the page, please.\n");
    }
    wsock_request_add_header(request, "Cache-Control", "no-cache");
    wsock_request_add_header(request, "X-Content-Type-Options", "nosniff");
    wsock_request_add_header(request, "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    wsock_request_set_body(request, "text/html; charset=utf-8", chat_page, sizeof chat_page);
    return 200;
}

/* ---- the program */

static void on_signal(int number)
{
    (void)number;
    wsock_loop_stop(loop);
}

static void run(void)
{
    while (wsock_loop_run(loop) == WSOCK_ERR_INTERRUPTED)
        continue;
}

int main(int argc, char **argv)
{
    const char *host = "127.0.0.1";
    long port = -1;
    for (int i = 1; i < argc; i += 2) {
        char *end = "";
        if (argv[i + 1] && strcmp(argv[i], "--host") == 0)
            host = argv[i + 1];
        else if (argv[i + 1] && strcmp(argv[i], "--port") == 0)
            port = strtol(argv[i + 1], &end, 10);
        else
            end = "?";
        if (*end || port < -1 || port > 65535) {
            fprintf(stderr, "usage: chat_server [--host 127.0.0.1] [--port 8080]\n");
            return 2;
        }
    }

    wsock_options *options = NULL;
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_request = on_request,
        .on_open = on_open, .on_message = on_message, .on_close = on_close };
    wsock_error_info error = { .struct_size = sizeof error };
    wsock_server *server = NULL;
    wsock_status status = wsock_loop_new(&loop);
    if (status == WSOCK_OK)
        status = wsock_options_new(&options);
    if (status == WSOCK_OK)
        status = wsock_hub_new(&hub);
    if (status == WSOCK_OK) {
        wsock_options_add_protocol(options, "chat.json");
        wsock_options_set_int(options, WSOCK_OPT_MAX_MESSAGE_SIZE, TEXT_SIZE - 1);
        wsock_options_set_int(options, WSOCK_OPT_MAX_BUFFERED, 1024 * 1024);
        wsock_options_set_int(options, WSOCK_OPT_OVERFLOW, WSOCK_OVERFLOW_CLOSE);
        status = wsock_listen(loop, host, (uint16_t)(port < 0 ? 8080 : port), options, &handlers, NULL, &server);
        wsock_last_error(&error);
        if (status != WSOCK_OK && port < 0 && error.os_error == EADDRINUSE) /* nobody asked for 8080 */
            status = wsock_listen(loop, host, 0, options, &handlers, NULL, &server);
    }
    if (status != WSOCK_OK) {
        wsock_last_error(&error);
        fprintf(stderr, "chat_server: %s\n", error.message);
        return 1;
    }
    wsock_options_free(options);

    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    char address[300];
    snprintf(address, sizeof address, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
        (unsigned)wsock_server_port(server));
    printf("chat on http://%s/\nopen it in two browser tabs, or from a terminal: target/c/wscat ws://%s/\n",
        address, address);
    fflush(stdout);

    run(); /* until a signal */
    wsock_server_close(server, 0, 1001, "the chat server is going down");
    run(); /* until everyone has left */
    wsock_loop_free(loop);
    wsock_hub_free(hub);
    return 0;
}
