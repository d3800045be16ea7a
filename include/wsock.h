/*
 * wsock.h - WebSocket client and server for every native program
 *
 * Generated from src/ffi by cbindgen; edit there, then run `make header`.
 *
 * THE IDEA
 *
 * A loop does the work. You make one, connect or listen in it, and let it run; it calls your
 * functions when something happens. There is no other magic: nothing but wsock_loop_run and
 * wsock_loop_poll ever waits, no callback ever comes from a thread that the library made, and
 * without one of those two calls nothing happens at all. (Programs that want no callbacks fetch
 * their events with wsock_loop_events. Programs that are busy let wsock_loop_start do the work
 * meanwhile, and still hear of it where they ask.)
 *
 *     #include <stdio.h>
 *     #include <wsock.h>
 *
 *     static void on_open(wsock_conn *conn, void *user)
 *     {
 *         wsock_conn_send_text(conn, "hello", 5);
 *     }
 *
 *     static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
 *     {
 *         printf("%.*s\n", (int)len, (const char *)data);
 *         wsock_conn_close(conn, 1000, "bye");
 *     }
 *
 *     int main(void)
 *     {
 *         wsock_handlers handlers = {0};
 *         wsock_loop *loop;
 *         wsock_conn *conn;
 *
 *         handlers.struct_size = sizeof handlers;
 *         handlers.on_open = on_open;
 *         handlers.on_message = on_message;
 *         if (wsock_loop_new(&loop) != WSOCK_OK)
 *             return 1;
 *         if (wsock_connect(loop, "ws://127.0.0.1:9001/", NULL, &handlers, NULL, &conn) == WSOCK_OK)
 *             wsock_loop_run(loop);
 *         return wsock_loop_free(loop) != WSOCK_OK;
 *     }
 *
 * HANDLES
 *
 * wsock_loop *, wsock_conn *, wsock_server *, wsock_request *, wsock_options *, wsock_message * and
 * wsock_hub * look like pointers so that the compiler keeps them apart. Their bits are an id: never
 * zero, always below 2^53, never an address. Do not dereference them. A handle whose object has ended
 * never becomes valid again: using it answers WSOCK_ERR_INVALID_HANDLE and does no harm, and so does
 * NULL. A handle of another class answers WSOCK_ERR_WRONG_KIND.
 *
 * STATUS
 *
 * Functions that can fail return a wsock_status: 0 done, above 0 done with information, below 0
 * refused and nothing happened. The sentence that says why is in wsock_last_error, until the next
 * failing call on the same thread. Outputs are written only on success. What each function's
 * description lists under "Errors" is without the WSOCK_ERR_ in front; beyond that, everything that
 * takes a handle may answer WSOCK_ERR_PANIC when it hits a bug of the library, WSOCK_ERR_POISONED after
 * that, and WSOCK_ERR_STATE in the child of a fork; and everything that copies what you pass may answer
 * WSOCK_ERR_NO_MEMORY.
 *
 * A failure that no call is there to answer for is told by on_error.
 *
 * TEXT AND BYTES
 *
 * URLs, header names, reasons and other configuration are NUL-terminated UTF-8. Payloads are a
 * pointer and a length; NULL is fine when the length is 0. Everything you pass is copied before the
 * call returns. What a callback is given is valid until that callback returns.
 *
 * CALLBACKS
 *
 * They run on the thread that is inside wsock_loop_run or wsock_loop_poll, one at a time. From inside
 * one you may call every function, closing and freeing included; only run, poll, events, start and
 * loop_free of the same loop answer WSOCK_ERR_REENTRANT. No callback is ever called from inside the call that caused
 * it: it comes from run or poll. (wsock_loop_free is the exception, since nothing comes after it.) Do
 * not let C++ exceptions or longjmp leave a callback.
 *
 * For each connection: on_open at most once (a client with WSOCK_OPT_RECONNECT: once for each time it
 * gets through); on_error at most once; on_close exactly once and last, also when on_open never came.
 * (A server never hears of connections whose handshake failed.) release is called exactly once when no
 * callback will ever be given the user data again.
 *
 * What you send from inside callbacks leaves together, in one system call per connection, when the
 * callbacks of that turn are done; what you send while you work on a batch of wsock_loop_events,
 * when you fetch the next. What you send otherwise leaves at once.
 *
 * THREADS
 *
 * A loop belongs to the thread that made it, until another thread polls it: then to that one. Each
 * function says who may call it, in a line that begins with "Thread:". "any" means any thread at any
 * time. "loop" means the thread of the loop, inside or outside of callbacks; others get
 * WSOCK_ERR_WRONG_THREAD, and can use wsock_loop_post to have something done there. Of a loop that has
 * got a thread of its own from wsock_loop_start, every thread may call everything.
 *
 * THE PROCESS
 *
 * No signal handler is installed and SIGPIPE is never raised. Descriptors are closed on exec. dlclose does
 * nothing: once loaded, the library stays. Two copies of it in one process, such as those of two plug-ins,
 * share nothing: each answers WSOCK_ERR_INVALID_HANDLE to handles of the other.
 *
 * After fork, loops and all that is in them are the parent's. In the child every call about them answers
 * WSOCK_ERR_STATE, but for two: wsock_loop_free closes the child's copies of the descriptors, unnoticed by
 * the parent and its peers, and wsock_loop_after_fork makes the loop the child's, with its servers and
 * without its connections. A callback may fork: in the child, run and poll return WSOCK_ERR_STATE when it
 * returns. Everything else, such as new loops and options, works in the child at once. A child that neither
 * frees nor takes over a loop holds copies of its sockets until it execs or exits, so that peers do not see
 * the end of a connection that the parent closes without a close handshake.
 *
 * Fork while no other thread is inside the library, if the child is to use it and not just to exec: what
 * such a thread was about stays half done in the child. Options, the making of loops and names being looked
 * up are safe from that: a fork waits a moment for them.
 *
 * THE BROWSER'S WORDS
 *
 * The browser's WebSocket maps one to one: readyState is wsock_conn_state, bufferedAmount is
 * wsock_conn_buffered_amount, protocol, extensions and url are wsock_conn_get_str, CloseEvent is
 * wsock_close_info.
 */

#ifndef WSOCK_H
#define WSOCK_H

#include <stddef.h>
#include <stdint.h>
#if UINTPTR_MAX < 0xffffffffffffffff
#error "wsock handles need 64-bit pointers"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Classes --------------------------------------------------------------------------------- */

/**
 * An event loop. It owns connections and servers, and calls your functions while it is polled. You
 * make it and free it.
 *
 * - Life: wsock_loop_new, wsock_loop_free.
 * - Let it work: wsock_loop_run until all is done, or wsock_loop_poll turn by turn.
 * - Without callbacks: wsock_loop_use_events, wsock_loop_events, wsock_loop_flush,
 *   wsock_loop_promise_flush.
 * - On a thread of its own: wsock_loop_start, wsock_loop_join.
 * - From any thread: wsock_loop_stop, wsock_loop_wakeup, wsock_loop_post.
 * - Inside another event loop: wsock_loop_fd, wsock_loop_timeout_ms.
 * - In the child of a fork: wsock_loop_after_fork.
 * - Watch it: wsock_loop_get_stats, wsock_loop_metrics, wsock_loop_measure, wsock_loop_set_log.
 * - What lives in it is made by wsock_connect and wsock_listen, or on descriptors of yours by
 *   wsock_connect_fd and wsock_listen_fd.
 */
typedef struct wsock_loop wsock_loop;

/**
 * A set of options for connecting or listening. You make it and free it; it is copied when used, so
 * that one set serves many connections and can be freed right away.
 *
 * - Life: wsock_options_new, wsock_options_free.
 * - Fill in: wsock_options_set_int and wsock_options_set_str with a WSOCK_OPT_ key,
 *   wsock_options_add_header, wsock_options_add_cookie, wsock_options_add_protocol,
 *   wsock_options_add_origin, wsock_options_add_trusted_proxy.
 * - For TLS: wsock_options_add_cert_files, wsock_options_add_cert_pem, wsock_options_add_pin.
 * - Look up: wsock_option_bounds.
 */
typedef struct wsock_options wsock_options;

/**
 * One WebSocket connection, made by wsock_connect or wsock_connect_fd, or accepted by a server. It
 * ends by itself: the handle is valid until on_close has returned, and there is nothing to free.
 *
 * - Send: wsock_conn_send, wsock_conn_send_text, wsock_conn_send_binary, wsock_conn_ping; many at once:
 *   wsock_conn_send_many; with a policy, a key or without a copy: wsock_conn_send_with; piece by piece:
 *   wsock_conn_send_part, wsock_conn_send_fd, wsock_conn_send_from, wsock_conn_pull_again; made before:
 *   wsock_conn_send_message.
 * - End: wsock_conn_close politely, wsock_conn_abort at once.
 * - Hold back: wsock_conn_buffered_amount for what you send, wsock_conn_pause and wsock_conn_resume
 *   for what you receive.
 * - Ask: wsock_conn_state, wsock_conn_get_str, wsock_conn_header, wsock_conn_header_at,
 *   wsock_conn_cookie, wsock_conn_server, wsock_conn_get_stats, wsock_conn_trace.
 * - Keep what was received: wsock_conn_retain.
 * - Come back: wsock_conn_set_target, for the next attempt.
 * - Your own data: wsock_conn_set_user_data, wsock_conn_user_data.
 */
typedef struct wsock_conn wsock_conn;

/**
 * A listener and the connections it has accepted, made by wsock_listen or wsock_listen_fd. The handle
 * is valid until wsock_server_close was called and the last connection has ended; there is nothing to
 * free.
 *
 * - Ask: wsock_server_port, wsock_server_get_stats.
 * - Hand it a connection that you have accepted yourself: wsock_server_adopt.
 * - Newer certificates: wsock_server_set_tls.
 * - Send to all: wsock_server_broadcast.
 * - End: wsock_server_close.
 */
typedef struct wsock_server wsock_server;

/**
 * An HTTP request that has reached a server: whoever wants a WebSocket begins with one. The handle is
 * valid until on_request has returned, or wsock_request_answer.
 *
 * - Read: wsock_request_is_upgrade, wsock_request_get_str, wsock_request_header,
 *   wsock_request_header_at, wsock_request_cookie, wsock_request_protocol_at.
 * - Shape the answer: wsock_request_select_protocol, wsock_request_add_header,
 *   wsock_request_set_body; what on_request returns decides, or later wsock_request_answer.
 */
typedef struct wsock_request wsock_request;

/**
 * A message that is made once and sent many times: framed once, and compressed once for each way of
 * compressing that the connections have negotiated. You make it and free it; what was sent of it does
 * not need the handle any more.
 *
 * - Life: wsock_message_new, or wsock_conn_retain of what was received; wsock_message_free.
 * - Look: wsock_message_data, wsock_message_compressions.
 * - Send: wsock_conn_send_message, wsock_server_broadcast, wsock_hub_publish_message.
 */
typedef struct wsock_message wsock_message;

/**
 * A place where messages are published by topic, and connections subscribe to topics. It belongs to no
 * loop: connections of all loops can be in it, and any thread can use it. You make it and free it.
 *
 * - Life: wsock_hub_new, wsock_hub_free.
 * - Who hears what: wsock_hub_subscribe, wsock_hub_unsubscribe.
 * - Say: wsock_hub_publish, wsock_hub_publish_message; wsock_hub_forget for what was kept.
 * - Ask: wsock_hub_get_stats.
 */
typedef struct wsock_hub wsock_hub;

/* ---- Status and errors ----------------------------------------------------------------------- */

/** Done. */
#define WSOCK_OK 0
/** The message was accepted, and the queue is now above the high-water mark: on_drain will come. */
#define WSOCK_BUFFERED 1
/**
 * There was no room, and a message was dropped as WSOCK_OVERFLOW_* says: this one, or older ones for it.
 * Or it has taken the place of one with its key.
 */
#define WSOCK_DROPPED 2

/** An argument is not what the function's description asks for. */
#define WSOCK_ERR_INVALID_ARGUMENT (-1)
/** The handle is NULL, or its object has ended, or it never was one. */
#define WSOCK_ERR_INVALID_HANDLE (-2)
/** The handle is alive but of another class. */
#define WSOCK_ERR_WRONG_KIND (-3)
/** Only the thread of the loop may call this. */
#define WSOCK_ERR_WRONG_THREAD (-4)
/** run, poll or loop_free was called from inside a callback of the same loop. */
#define WSOCK_ERR_REENTRANT (-5)
/**
 * Not now: the connection is not open yet, or is closing; the request is no WebSocket's; or this is the
 * child of a fork and the loop is the parent's.
 */
#define WSOCK_ERR_STATE (-6)
/** This library, or this build of it, does not know that. */
#define WSOCK_ERR_UNSUPPORTED (-7)
/** A limit is reached: the send queue is full, or there are too many objects. */
#define WSOCK_ERR_LIMIT (-8)
/** A signal arrived while waiting. Look at what your handler did, then call again. */
#define WSOCK_ERR_INTERRUPTED (-9)
/** The operating system refused; os_error has its number. */
#define WSOCK_ERR_SYSTEM (-20)
/** The host name could not be looked up. */
#define WSOCK_ERR_RESOLVE (-21)
/** No address of the host could be connected to. */
#define WSOCK_ERR_CONNECT (-22)
/** Looking up and connecting took longer than WSOCK_OPT_CONNECT_TIMEOUT_MS. */
#define WSOCK_ERR_CONNECT_TIMEOUT (-23)
/** TCP was reset, or ended without a close handshake. */
#define WSOCK_ERR_CONNECTION_LOST (-24)
/** A proxy could not be reached or refused; http_status has its answer, if it gave one. */
#define WSOCK_ERR_PROXY (-25)
/**
 * There is no memory for that much. A call was refused; a connection has ended, close code 1011 if that could
 * still be said.
 */
#define WSOCK_ERR_NO_MEMORY (-26)
/** What the peer sent is not a valid WebSocket handshake. */
#define WSOCK_ERR_HANDSHAKE (-40)
/** The server answered with another status than 101; http_status has it. */
#define WSOCK_ERR_HTTP_STATUS (-41)
/** The handshake took longer than WSOCK_OPT_HANDSHAKE_TIMEOUT_MS. */
#define WSOCK_ERR_HANDSHAKE_TIMEOUT (-42)
/** A redirect that cannot be followed: too many, from wss:// to ws://, or nowhere. */
#define WSOCK_ERR_REDIRECT (-43)
/** The peer broke the protocol (close code 1002). */
#define WSOCK_ERR_PROTOCOL (-60)
/** The peer sent text that is not UTF-8, or compressed data that is corrupt (1007). */
#define WSOCK_ERR_INVALID_DATA (-61)
/** The peer sent a message or frame above the limit (1009). */
#define WSOCK_ERR_TOO_BIG (-62)
/**
 * The peer sent too many fragments or control frames, or reads too slowly for
 * WSOCK_OVERFLOW_CLOSE (1008).
 */
#define WSOCK_ERR_POLICY (-63)
/** The peer was silent and did not answer a ping. */
#define WSOCK_ERR_PING_TIMEOUT (-64)
/** The peer did not finish the close handshake in time. */
#define WSOCK_ERR_CLOSE_TIMEOUT (-65)
/** No message went either way for longer than WSOCK_OPT_IDLE_TIMEOUT_MS. */
#define WSOCK_ERR_IDLE_TIMEOUT (-66)
/** The application ended it: wsock_conn_abort, wsock_loop_free, or a close before it was open. */
#define WSOCK_ERR_ABORTED (-67)
/**
 * TLS failed, or the peer refused it; tls_alert may say more. Most often: the other side does not speak
 * TLS, or wants a client certificate.
 */
#define WSOCK_ERR_TLS (-80)
/** The peer's certificate is not accepted; the message says why and what to do. */
#define WSOCK_ERR_CERTIFICATE (-81)
/** TCP ended without the end of TLS, so that something may be missing. */
#define WSOCK_ERR_TLS_TRUNCATED (-82)
/**
 * A bug in this library was stopped at its boundary; please report it. In on_error: it has ended that
 * connection and nothing else. As the answer of a call: it has broken that loop.
 */
#define WSOCK_ERR_PANIC (-100)
/**
 * An earlier WSOCK_ERR_PANIC has made this unusable: a connection, whose on_close follows, or a loop
 * with all that is in it, which can only be freed.
 */
#define WSOCK_ERR_POISONED (-101)

/**
 * What most functions return: 0 done, above 0 done with information, below 0 refused and nothing
 * happened. Numbers are never reused.
 */
typedef int32_t wsock_status;

/** What went wrong, in detail: for wsock_last_error and on_error. */
typedef struct {
  /** Set this to sizeof(wsock_error_info) before wsock_last_error. */
  size_t struct_size;
  /** WSOCK_ERR_*, or 0 when nothing has failed yet. */
  int32_t code;
  /** The operating system's errno, or 0. */
  int32_t os_error;
  /** The status of the server's answer with WSOCK_ERR_HTTP_STATUS, or 0. */
  int32_t http_status;
  /** The close code that was sent to the peer because of this, or 0. */
  int32_t close_code;
  /** One line for a person to read, NUL-terminated. */
  char message[232];
  /** The TLS alert that was sent or received, by its number (RFC 8446 section 6), or 0. */
  int32_t tls_alert;
  /** Always 0. */
  int32_t reserved;
} wsock_error_info;

/**
 * A few words for a status code. Never NULL, also for numbers that are none.
 *
 * Thread: any. Since: 0.1
 */
const char *wsock_strerror(int32_t code);

/**
 * The name of a status code, such as "WSOCK_ERR_LIMIT". Never NULL, also for numbers that are none.
 *
 * Thread: any. Since: 0.1
 */
const char *wsock_error_name(int32_t code);

/**
 * Copies the details of the last failure on this thread to out_info. Set out_info->struct_size to
 * sizeof(wsock_error_info) first. A function that succeeds does not change the last failure.
 *
 * Thread: any. Errors: INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_last_error(wsock_error_info *out_info);

/* ---- Loops ----------------------------------------------------------------------------------- */

/**
 * wsock_event: a text message, in data and len; code is WSOCK_PART_FIRST | WSOCK_PART_LAST. With on_part
 * among the handlers: the next part of one, with the flags of on_part in code.
 */
#define WSOCK_EVENT_TEXT 1
/** wsock_event: a binary message, as WSOCK_EVENT_TEXT. */
#define WSOCK_EVENT_BINARY 2
/** wsock_event: as on_open. */
#define WSOCK_EVENT_OPEN 3
/**
 * wsock_event: as on_close; data is a const wsock_close_info *, code the close code. The handle is
 * valid until the next batch.
 */
#define WSOCK_EVENT_CLOSE 4
/** wsock_event: as on_error; data is a const wsock_error_info *. */
#define WSOCK_EVENT_ERROR 5
/** wsock_event: as on_drain. */
#define WSOCK_EVENT_DRAIN 6
/** wsock_event: as on_ping, with its payload. */
#define WSOCK_EVENT_PING 7
/** wsock_event: as on_pong, with its payload. */
#define WSOCK_EVENT_PONG 8
/** wsock_event: as on_retry; data is a const wsock_retry_info *, code the attempt. */
#define WSOCK_EVENT_RETRY 9
/**
 * wsock_event, from servers with WSOCK_OPT_ASK: as on_request. object is the wsock_request *, data the
 * wsock_server *. Answer it with wsock_request_answer.
 */
#define WSOCK_EVENT_REQUEST 10

/** One event of a batch; see wsock_loop_events. 40 bytes on every system. */
typedef struct {
  /** The handle of the connection, as a number; of the request with WSOCK_EVENT_REQUEST. */
  uint64_t object;
  /** Its user data, as it was when the event was fetched. */
  uint64_t user;
  /** The address of what belongs to the event; 0 when nothing does. */
  uint64_t data;
  /** Its length in bytes. */
  uint64_t len;
  /** WSOCK_EVENT_*. */
  uint32_t type;
  /** Depends on the type. */
  uint32_t code;
} wsock_event;

/**
 * Makes a loop. It belongs to the calling thread until another one polls it. Free it with
 * wsock_loop_free.
 *
 * Thread: any. Errors: INVALID_ARGUMENT, SYSTEM, LIMIT. Since: 0.1
 */
wsock_status wsock_loop_new(wsock_loop **out_loop);

/**
 * Ends a loop and everything in it: every connection gets its on_error (WSOCK_ERR_ABORTED) and
 * on_close from inside this call, without a close handshake; then all handles of the loop are stale.
 * For a polite end, close servers and connections first and run until nothing is left. NULL is
 * allowed and does nothing. A loop that answers WSOCK_ERR_POISONED is freed without a callback; only
 * release is called; and so is, in the child of a fork, a loop that is still the parent's, of which
 * neither the parent nor its peers notice anything.
 *
 * Thread: any that finds nobody else inside, outside of the loop's callbacks.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD (another one is inside), REENTRANT. Since: 0.1
 */
wsock_status wsock_loop_free(wsock_loop *loop);

/**
 * Runs until wsock_loop_stop is called, or until nothing is left that could ever cause a callback:
 * no connection, no server, nothing posted.
 *
 * Thread: any that finds nobody else inside; the loop is that thread's from now on.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD (another one is inside), REENTRANT, INTERRUPTED (a
 * signal arrived: look at what its handler did and call again), SYSTEM, PANIC, POISONED. Since: 0.1
 */
wsock_status wsock_loop_run(wsock_loop *loop);

/**
 * Handles what there is to handle, after waiting for it at most timeout_ms milliseconds: 0 does not
 * wait, -1 waits as long as it takes. Returns the number of callbacks that ran, which may be 0 although
 * time is left, or an error.
 *
 * Thread: any that finds nobody else inside; the loop is that thread's from now on.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD (another one is inside), REENTRANT, INTERRUPTED (a
 * signal arrived), INVALID_ARGUMENT (below -1: a time that was calculated wrongly should not become
 * for ever), SYSTEM, PANIC, POISONED. Since: 0.1
 */
int32_t wsock_loop_poll(wsock_loop *loop,
                        int32_t timeout_ms);

/**
 * Gives the loop a thread of its own, which from now on waits for sockets, reads, writes, answers pings
 * and keeps deadlines, also while your program is busy. It never calls you: what happens is queued, and
 * told on your own thread by wsock_loop_poll, wsock_loop_run or wsock_loop_events, which otherwise only
 * wait. wsock_loop_fd becomes readable when something is queued.
 *
 * Every function that says "Thread: loop" may be called from any thread then; it waits until the loop's
 * thread is between two turns. Sending never waits. End it with wsock_loop_join or wsock_loop_free.
 *
 * Thread: loop, outside of callbacks. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, REENTRANT, STATE
 * (started already), SYSTEM (no thread can be made), POISONED. Since: 0.1
 */
wsock_status wsock_loop_start(wsock_loop *loop);

/**
 * Ends the thread that wsock_loop_start has made and waits for that. The loop, with everything in it, is
 * the calling thread's then, as if it never had been started; what is queued is told by the next
 * wsock_loop_poll, wsock_loop_run or wsock_loop_events.
 *
 * Thread: any, when no other waits for the loop's events. Errors: INVALID_HANDLE, WRONG_KIND,
 * WRONG_THREAD (another one is waiting), STATE (there is no such thread). Since: 0.1
 */
wsock_status wsock_loop_join(wsock_loop *loop);

/**
 * Makes wsock_loop_run return WSOCK_OK when the callbacks of this turn are done. When nobody is
 * inside it, the next call returns at once. A wsock_loop_poll that waits returns, too. Nothing is
 * closed: run again, and all goes on.
 *
 * Thread: any, and signal handlers. Errors: INVALID_HANDLE, WRONG_KIND. Since: 0.1
 */
wsock_status wsock_loop_stop(wsock_loop *loop);

/**
 * Makes a wsock_loop_poll that waits return; when nobody waits, the next one does not.
 *
 * Thread: any, and signal handlers. Errors: INVALID_HANDLE, WRONG_KIND. Since: 0.1
 */
wsock_status wsock_loop_wakeup(wsock_loop *loop);

/**
 * Has task(loop, arg) called once on the thread of the loop, from inside run or poll, in the order
 * of posting. Then, or when the loop is freed first, release(arg) is called; it may be NULL. When
 * the post is refused, neither is.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (task is NULL), POISONED. Since: 0.1
 */
wsock_status wsock_loop_post(wsock_loop *loop,
                             void (*task)(wsock_loop *loop, void *arg),
                             void *arg,
                             void (*release)(void *arg));

/**
 * A file descriptor for foreign event loops. It is readable (level-triggered) while wsock_loop_poll
 * has anything to do, timers included: watch it for reading and call wsock_loop_poll(loop, 0) when
 * it is. Never read from it or close it; it lives as long as the loop.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, SYSTEM, UNSUPPORTED (not on this
 * system; use wsock_loop_timeout_ms and a short poll), POISONED. Since: 0.1
 */
int32_t wsock_loop_fd(wsock_loop *loop);

/**
 * For hosts that do not watch wsock_loop_fd: how many milliseconds may pass until wsock_loop_poll has
 * to be called because a timer is due. 0 at once, -1 no limit. Ask again after every call into the
 * library. (With wsock_loop_fd it is not needed.)
 *
 * Thread: loop. Errors (all below -1): INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
 */
int32_t wsock_loop_timeout_ms(wsock_loop *loop);

/**
 * In the child of a fork: makes a loop of the parent usable. Until then every call about it, or about
 * anything in it, answers WSOCK_ERR_STATE here, and the parent does not notice that there is a child.
 *
 * - Servers go on listening, in both processes: a connection is accepted by one of them. Fork several
 *   children, and they share the load; the parent may close its own. The file of a Unix socket is removed
 *   by the process that made it.
 * - Connections belong to the parent and go on there. Here they end without a byte to the peer: on_error
 *   (WSOCK_ERR_ABORTED) and on_close come from the next run or poll, WSOCK_OPT_RECONNECT or not.
 * - What was posted, or sent by other threads, and not yet done is dropped; release is called for it.
 *   Names that are being looked up are forgotten with their connections.
 * - wsock_loop_fd keeps its number and means this process's loop: watch it anew, since an epoll set of
 *   the parent's still has the old one.
 *
 * In the process that the loop belongs to it does nothing. It takes the forking thread: when another one
 * was inside the loop, or about to queue something, at that moment, the answer is WSOCK_ERR_STATE, and
 * only a new loop helps.
 *
 * Thread: any, outside of the loop's callbacks. Errors: INVALID_HANDLE, WRONG_KIND, REENTRANT, STATE,
 * SYSTEM, POISONED. Since: 0.1
 */
wsock_status wsock_loop_after_fork(wsock_loop *loop);

/**
 * Events in batches, instead of callbacks: array has room for capacity records of event_size bytes,
 * sizeof(wsock_event) of your header, and wsock_loop_events fills it. Set it once. Callbacks are then
 * only called when you let wsock_loop_poll or wsock_loop_run do it. NULL and 0 takes the array back.
 *
 * Ownership: array is yours and must stay until the loop is freed or has got another; the last batch
 * ends with this call. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT,
 * POISONED. Since: 0.1
 */
wsock_status wsock_loop_use_events(wsock_loop *loop,
                                   wsock_event *array,
                                   size_t event_size,
                                   uint32_t capacity);

/**
 * Fetches the next events into the array of wsock_loop_use_events, in the order in which callbacks would
 * have come, after waiting for them at most timeout_ms milliseconds: 0 does not wait, -1 waits as long
 * as it takes. Returns how many there are; 0 when there is none yet. When the array is full, call it
 * again at once.
 *
 * What the events point to, and the handles of connections that have ended, stay valid until the next
 * call of wsock_loop_events, wsock_loop_poll or wsock_loop_run. What you send meanwhile on this thread
 * leaves then, in one system call per connection, or with wsock_loop_flush. Functions given to
 * wsock_loop_post are called from in here, where they stand in line.
 *
 * Input of a connection that you do not come to is read up to about 1 MiB, then TCP makes the peer wait.
 * What a batch holds of a connection that you close in the middle of it is still in there; what is not
 * fetched yet is dropped, and held back by wsock_conn_pause.
 *
 * Thread: any that finds nobody else inside; without wsock_loop_start the loop is that thread's from now
 * on. Errors: as wsock_loop_poll, STATE (no wsock_loop_use_events before). Since: 0.1
 */
int32_t wsock_loop_events(wsock_loop *loop,
                          int32_t timeout_ms);

/**
 * Sends what this thread has queued since wsock_loop_events, without waiting for the next call of it.
 * After wsock_loop_promise_flush it ends the batch, too.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
 */
wsock_status wsock_loop_flush(wsock_loop *loop);

/**
 * For hosts that wait for wsock_loop_fd: on 1 promises that you call wsock_loop_flush when you have worked
 * through a batch of wsock_loop_events, and after what else you send on this thread. Then the
 * descriptor is not readable once more for each batch, only to end it. 0 takes the promise back.
 *
 * What you send on this thread waits for wsock_loop_flush from now on, and that ends the batch: what its
 * events point to, and the handles of connections that have ended, are gone then.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
 */
wsock_status wsock_loop_promise_flush(wsock_loop *loop,
                                      int32_t on);

/* ---- Options --------------------------------------------------------------------------------- */

/**
 * Client: milliseconds for the name look-up and TCP together. 0: as long as the system tries.
 * Default 30000.
 */
#define WSOCK_OPT_CONNECT_TIMEOUT_MS 1
/** Milliseconds for the opening handshake, both roles. 0: no limit. Default 10000. */
#define WSOCK_OPT_HANDSHAKE_TIMEOUT_MS 2
/** Milliseconds for the close handshake and the end of TCP after it. At least 1. Default 5000. */
#define WSOCK_OPT_CLOSE_TIMEOUT_MS 3
/**
 * Milliseconds without a message either way, pings and pongs not counted, after which the connection
 * is closed with 1001 "idle timeout". 0: never. Default 0.
 */
#define WSOCK_OPT_IDLE_TIMEOUT_MS 4
/** Milliseconds of silence of the peer after which a ping asks whether it lives. 0: never. Default 25000. */
#define WSOCK_OPT_PING_INTERVAL_MS 5
/**
 * Milliseconds of silence after that ping which mean it does not. A peer that takes nothing of what
 * waits to be sent for as long as both together counts as dead, too, whatever it says meanwhile.
 * Default 20000.
 */
#define WSOCK_OPT_PONG_TIMEOUT_MS 6
/**
 * What becomes of messages for which WSOCK_OPT_MAX_BUFFERED has no room, WSOCK_OVERFLOW_*;
 * wsock_conn_send_with may say otherwise for each. Default 1, WSOCK_OVERFLOW_REFUSE.
 */
#define WSOCK_OPT_OVERFLOW 7
/**
 * Largest message to receive, in bytes after inflating. A peer that sends more gets 1009. 0: any size,
 * which is for on_part; what on_message gets has to fit into memory. Default 16 MiB.
 */
#define WSOCK_OPT_MAX_MESSAGE_SIZE 10
/** Largest frame to receive, in bytes. 0: as large as a message. Default 0. */
#define WSOCK_OPT_MAX_FRAME_SIZE 11
/**
 * Frames that one message may be cut into. A peer that sends more gets 1008. Not counted with on_part.
 * Default 131072.
 */
#define WSOCK_OPT_MAX_FRAGMENTS 12
/** Control frames a peer may send in a second before it gets 1008. 0: any number. Default 1000. */
#define WSOCK_OPT_MAX_CONTROL_RATE 13
/**
 * Bytes in the send queue above which sending answers WSOCK_BUFFERED; lowered to below
 * WSOCK_OPT_MAX_BUFFERED when it is not. Default 1 MiB.
 */
#define WSOCK_OPT_HIGH_WATER 14
/**
 * Bytes in the send queue at which on_drain comes; lowered to WSOCK_OPT_HIGH_WATER and to half of
 * WSOCK_OPT_MAX_BUFFERED when above. Default 256 KiB.
 */
#define WSOCK_OPT_LOW_WATER 15
/**
 * Bytes in the send queue above which sending answers WSOCK_ERR_LIMIT, or what WSOCK_OPT_OVERFLOW says
 * is done. An empty queue takes one message of any size. Default 64 MiB.
 */
#define WSOCK_OPT_MAX_BUFFERED 16
/** Largest head of a request or response to receive, in bytes. Default 16384. */
#define WSOCK_OPT_MAX_HEAD_BYTES 17
/** Most header lines in it. Default 100. */
#define WSOCK_OPT_MAX_HEADERS 18
/** Longest request line or status line to receive, in bytes. Default 8192. */
#define WSOCK_OPT_MAX_REQUEST_LINE 19
/**
 * Server: connections the system keeps until they are accepted. It has a limit of its own, on Linux
 * net.core.somaxconn. Default 65535.
 */
#define WSOCK_OPT_BACKLOG 40
/** Server: which web pages it lets in, WSOCK_ORIGIN_*. Default 0, WSOCK_ORIGIN_ANY. */
#define WSOCK_OPT_ORIGIN_POLICY 50
/**
 * Server: 1: with wsock_loop_events, requests come as WSOCK_EVENT_REQUEST and wait for
 * wsock_request_answer. 0: they go on, as without on_request. Default 0.
 */
#define WSOCK_OPT_ASK 45
/**
 * How many of its last frames a connection remembers, for wsock_conn_trace and the log: 24 bytes each
 * once they have come. 0: none. Default 0.
 */
#define WSOCK_OPT_TRACE_FRAMES 90
/** Client: the Origin header it sends, a text (wsock_options_set_str). Default none. */
#define WSOCK_OPT_ORIGIN 100

/** Any Origin, or none. */
#define WSOCK_ORIGIN_ANY 0
/** Only origins given with wsock_options_add_origin, which sets this; others get 403. */
#define WSOCK_ORIGIN_LISTED 1
/** Any, but there must be one; others get 403. */
#define WSOCK_ORIGIN_REQUIRED 2

/**
 * Client: 1: use the proxy that the environment names, if WSOCK_OPT_PROXY is not set: https_proxy for
 * wss://, http_proxy for ws://, else all_proxy, each in lower or upper case; no_proxy lists what is
 * reached directly, as in WSOCK_OPT_NO_PROXY. (HTTP_PROXY in upper case does not count in CGI
 * programs, where a client could set it.) Default 0.
 */
#define WSOCK_OPT_PROXY_FROM_ENV 70
/**
 * Client: redirects (301, 302, 303, 307, 308) to follow at most. Never from wss:// to ws://; cookies,
 * Authorization, user and client certificate are not given to another host, port or scheme.
 * Default 0: as in browsers, a redirect is a failure.
 */
#define WSOCK_OPT_MAX_REDIRECTS 71
/**
 * Client: how many attempts in a row to come back after a failure to connect or the loss of the
 * connection. 0: none. -1: for ever. See on_retry. It does not come back after wsock_conn_close and
 * wsock_conn_abort, nor when the server has closed with 1000. Default 0.
 */
#define WSOCK_OPT_RECONNECT 80
/**
 * The wait before the first attempt is at most so many milliseconds, before each further one twice as
 * many; it is chosen at random from 0 to that, so that a thousand clients do not come back at once.
 * A server's Retry-After is honoured. Default 1000.
 */
#define WSOCK_OPT_RECONNECT_FIRST_MS 81
/** No wait is longer than so many milliseconds. Default 30000. */
#define WSOCK_OPT_RECONNECT_MAX_MS 82
/**
 * A connection that was open for so many milliseconds ends the row: attempts and waits begin anew.
 * Default 10000.
 */
#define WSOCK_OPT_RECONNECT_STABLE_MS 83
/**
 * Bytes of messages to accept while there is no connection; they leave right after on_open has
 * returned, so that a greeting sent in on_open goes first. 0: sending is refused meanwhile
 * (WSOCK_ERR_STATE). Default 0.
 */
#define WSOCK_OPT_RECONNECT_QUEUE 84
/**
 * Client: the proxy to go through, a text: "http://host:port" (CONNECT), "https://..." (the same over
 * TLS), "socks5://..." (the name is looked up here) or "socks5h://..." (by the proxy), with
 * "user:password@" before the host if it asks for them. Default none.
 */
#define WSOCK_OPT_PROXY 120
/**
 * Client: what is reached without the proxy, a text: a list, with commas, of domains (their subdomains
 * too), addresses, and networks such as 10.0.0.0/8, each with or without :port; "*" is everything.
 * Default none.
 */
#define WSOCK_OPT_NO_PROXY 121
/**
 * Client: the user for a server that answers 401 and asks for Basic or Digest authorization, a text.
 * user:password@ in a URL is for the same, and sent as Basic at once. Default none.
 */
#define WSOCK_OPT_USER 130
/** Client: the password of that user, a text. Default none. */
#define WSOCK_OPT_PASSWORD 131
/**
 * Server: connections at a time, handshakes included. Whoever comes beyond is answered 503 and
 * closed, a TLS client just closed; wsock_server_stats counts them. 0: any number. Default 100000.
 */
#define WSOCK_OPT_MAX_CONNECTIONS 51
/**
 * Server: the same for one address, IPv6 by its first 64 bits. Connections from this machine itself
 * (127.0.0.0/8, ::1, Unix sockets) are not counted, since a proxy speaks for many clients; when yours runs
 * on another machine, set this to 0. 0: any number. Default 4096.
 */
#define WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS 52
/**
 * Server: the same for handshakes that are not done yet. When the one that began first has taken two
 * seconds and more, it makes way instead: so whoever only occupies the places keeps nobody out. 0: any
 * number. Default 16384.
 */
#define WSOCK_OPT_MAX_HANDSHAKES 53
/**
 * Server: bytes per second that a request must come with. From its first byte on it has two seconds,
 * and one more for each time so many bytes have come; then it is answered 408 and closed. 0: as
 * slowly as WSOCK_OPT_HANDSHAKE_TIMEOUT_MS lets it. Default 64.
 */
#define WSOCK_OPT_MIN_HANDSHAKE_RATE 54
/** 1: offer or accept permessage-deflate. Default 0. */
#define WSOCK_OPT_DEFLATE 30
/** How hard to compress: 1 (fast) to 9 (small). Default 1. */
#define WSOCK_OPT_DEFLATE_LEVEL 31
/** Messages shorter than this are sent uncompressed. Default 64. */
#define WSOCK_OPT_DEFLATE_MIN_SIZE 32
/** Window of the server's compressor, 9 to 15 bits. Default 15. */
#define WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS 33
/** Window of the client's compressor, 9 to 15 bits. Default 15. */
#define WSOCK_OPT_DEFLATE_CLIENT_WINDOW_BITS 34
/**
 * 1: the server may refer to earlier messages: smaller messages, but some 300 KiB of memory for each
 * connection that is sending. Default 0: one compressor serves all connections of a loop.
 */
#define WSOCK_OPT_DEFLATE_SERVER_TAKEOVER 35
/**
 * 1: so may the client. Then a server keeps some 20 KiB for each connection that has sent it a compressed
 * message. Default 0.
 */
#define WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER 36
/** Milliseconds after which an unused compressor of a connection is given back. Default 10000. */
#define WSOCK_OPT_DEFLATE_IDLE_MS 37
/**
 * Server: 1: several listeners share one port, and the system deals connections out to them: one loop
 * for each of your threads, all on the same port. Each of them must have set it. Default 0.
 */
#define WSOCK_OPT_REUSE_PORT 41
/**
 * Seconds of silence after which TCP itself asks whether the peer's host lives. 0: never; the pings of
 * WSOCK_OPT_PING_INTERVAL_MS also notice a program that hangs. Default 0.
 */
#define WSOCK_OPT_TCP_KEEPALIVE_S 42
/** Seconds from one such question to the next. Default 15. */
#define WSOCK_OPT_TCP_KEEPALIVE_INTERVAL_S 43
/** So many questions without an answer end the connection. Default 4. */
#define WSOCK_OPT_TCP_KEEPALIVE_COUNT 44
/**
 * Server: permission bits of the file of a Unix domain socket, 0600 say (octal). Who may write to it
 * may connect. 0: what the umask leaves. Default 0.
 */
#define WSOCK_OPT_UNIX_MODE 46
/**
 * The network interface, "eth0" say, that TCP must go through, a text (wsock_options_set_str). Linux.
 * Default none.
 */
#define WSOCK_OPT_INTERFACE 122
/**
 * Client: the address of this machine to connect from, with a port or without one: `192.0.2.7`,
 * `192.0.2.7:4000`, `[2001:db8::7]:4000`, a text (wsock_options_set_str). Addresses of the server of
 * the other protocol cannot be reached from there. Default none.
 */
#define WSOCK_OPT_SOURCE_ADDRESS 123
/**
 * 1: a client trusts the CAs of the operating system too, although WSOCK_OPT_TLS_CA_FILE or
 * WSOCK_OPT_TLS_CA_PEM is given. Default 0: with neither it trusts those of the system, with one of them
 * it trusts nobody else.
 */
#define WSOCK_OPT_TLS_SYSTEM_TRUST 60
/** The oldest TLS version to speak, both roles: 12 (TLS 1.2) or 13 (TLS 1.3). Default 12. */
#define WSOCK_OPT_TLS_MIN_VERSION 61
/**
 * DANGER. 1: a client accepts whatever certificate the server shows: expired, for another host, made by
 * anybody a minute ago. Whoever sits between you and the server can then read and change everything, as
 * if there were no TLS at all. For a certificate of your own use WSOCK_OPT_TLS_CA_FILE instead, which
 * keeps you safe. wsock_options_add_pin still counts. Default 0.
 */
#define WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE 62
/**
 * 1: handshakes with a peer that was talked to before are shortened, both roles. Sessions are kept with
 * the options, until one of the TLS options is changed. Default 1.
 */
#define WSOCK_OPT_TLS_RESUMPTION 63
/**
 * Server: whether clients must show a certificate, WSOCK_CLIENT_CERT_*. It must come from an issuer in
 * WSOCK_OPT_TLS_CA_FILE or WSOCK_OPT_TLS_CA_PEM; WSOCK_REQUEST_PEER_SUBJECT tells whose it is.
 * Default 0, WSOCK_CLIENT_CERT_IGNORED.
 */
#define WSOCK_OPT_TLS_CLIENT_CERT 64
/**
 * Whom to trust, a text (wsock_options_set_str): path of a PEM file with the certificates of CAs, or
 * with a server's own self-signed one. A client checks servers with it, a server its clients. The file
 * is read at once; set it again when it has changed. Default none: what the system trusts.
 */
#define WSOCK_OPT_TLS_CA_FILE 110
/** The same, a text that is the PEM itself. Both may be set. Default none. */
#define WSOCK_OPT_TLS_CA_PEM 111
/**
 * Client: the host name to ask the server for (SNI) and that its certificate must be for, a text.
 * Default none: the host of the URL.
 */
#define WSOCK_OPT_TLS_SERVER_NAME 112

/** Clients are not asked for a certificate. */
#define WSOCK_CLIENT_CERT_IGNORED 0
/** Clients may show one, and if they do it must be good. */
#define WSOCK_CLIENT_CERT_OPTIONAL 1
/** Clients without a good one are refused. */
#define WSOCK_CLIENT_CERT_REQUIRED 2

/**
 * Makes a set of options with the default values. Free it with wsock_options_free.
 *
 * Thread: any. Errors: INVALID_ARGUMENT, LIMIT. Since: 0.1
 */
wsock_status wsock_options_new(wsock_options **out_options);

/**
 * Frees a set of options. What was made with it is not affected. NULL and stale handles do no harm.
 *
 * Thread: any. Since: 0.1
 */
void wsock_options_free(wsock_options *options);

/**
 * Sets an integer option; key is WSOCK_OPT_*.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, UNSUPPORTED (unknown key), INVALID_ARGUMENT (out of
 * range; see wsock_option_bounds). Since: 0.1
 */
wsock_status wsock_options_set_int(wsock_options *options,
                                   int32_t key,
                                   int64_t value);

/**
 * Sets a text option; key is a WSOCK_OPT_* that says it is a text. "" takes it back.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, UNSUPPORTED (unknown key), INVALID_ARGUMENT.
 * Since: 0.1
 */
wsock_status wsock_options_set_str(wsock_options *options, int32_t key, const char *value);

/**
 * Adds a header: a client sends it with its request, a server with every 101 answer. Headers that
 * the library sets itself (Host, Upgrade, Sec-WebSocket-... ) are refused, and so is anything that
 * would smuggle in a second line.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_options_add_header(wsock_options *options, const char *name, const char *value);

/**
 * Client: adds a cookie to send. Names are tokens; values have no spaces, quotes, commas, semicolons or
 * backslashes. What the server sets is told by wsock_conn_cookie; nothing is kept from one connection
 * to the next.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_options_add_cookie(wsock_options *options,
                                      const char *name,
                                      const char *value);

/**
 * Adds a subprotocol: a client offers them in this order; a server accepts the first of the client's
 * that it has, unless on_request selects one. Each must be a token (RFC 6455 section 4.1) and may be
 * added once.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_options_add_protocol(wsock_options *options,
                                        const char *protocol);

/**
 * Adds an origin such as `https://example.org` whose pages a server lets in, and sets
 * WSOCK_OPT_ORIGIN_POLICY to WSOCK_ORIGIN_LISTED.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_options_add_origin(wsock_options *options, const char *origin);

/**
 * Server: names load balancers that begin each connection with a header of the PROXY protocol, version
 * 1 or 2, which says whom they speak for. proxies is an address ("::1"), a network ("10.0.0.0/8"), or
 * "unix" for everybody who connects over a Unix domain socket; call it again for more.
 *
 * A connection from one of these must begin with such a header and is dropped otherwise; the peer
 * address of its request and of its connection is the one that the header tells. Connections from
 * elsewhere must not have one: nobody else's word is taken for it.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_options_add_trusted_proxy(wsock_options *options,
                                             const char *proxies);

/**
 * Tells the least and greatest value of an integer option, and its default. Each pointer may be NULL.
 *
 * Thread: any. Errors: UNSUPPORTED (unknown key). Since: 0.1
 */
wsock_status wsock_option_bounds(int32_t key,
                                 int64_t *out_min,
                                 int64_t *out_max,
                                 int64_t *out_default);

/**
 * Adds a certificate of your own with its private key, from two PEM files; with it a server listens for
 * wss://, and a client shows it to servers that ask. chain_file holds the certificate first and then the
 * intermediates behind it, as `fullchain.pem` does; key_file the key without a passphrase. It may be
 * added to: a server shows the one that is for the host that the client asks for, else the first. Files
 * are read at once; wsock_server_set_tls takes newer ones into use.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (unreadable, not PEM, a key of another
 * certificate ...), UNSUPPORTED (no TLS in this build). Since: 0.1
 */
wsock_status wsock_options_add_cert_files(wsock_options *options,
                                          const char *chain_file,
                                          const char *key_file);

/**
 * The same from memory: both texts are PEM.
 *
 * Ownership: both are copied. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT, UNSUPPORTED. Since: 0.1
 */
wsock_status wsock_options_add_cert_pem(wsock_options *options,
                                        const char *chain_pem,
                                        const char *key_pem);

/**
 * Client: the server's certificate must have this public key, or another that was added, and still be
 * good in every other way. pin is "sha256//" and the base64 of the SHA-256 of the key, as curl's
 * --pinnedpubkey takes it; several may stand in one text with ";" between them. The message of a
 * refusal tells the pin that the server has.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT, UNSUPPORTED. Since: 0.1
 */
wsock_status wsock_options_add_pin(wsock_options *options,
                                   const char *pin);

/* ---- Callbacks ------------------------------------------------------------------------------- */

/** Message type: UTF-8 text. */
#define WSOCK_TEXT 1
/** Message type: any bytes. */
#define WSOCK_BINARY 2

/** Flag of on_part: a message begins. */
#define WSOCK_PART_FIRST 1
/** Flag of on_part: the message ends. */
#define WSOCK_PART_LAST 2

/** wsock_close_info.initiator: nobody; the network failed, or the connection never was open. */
#define WSOCK_BY_NOBODY 0
/** wsock_close_info.initiator: this side. */
#define WSOCK_BY_LOCAL 1
/** wsock_close_info.initiator: the other side. */
#define WSOCK_BY_PEER 2

/** wsock_close_info.layer: the WebSocket protocol; a close handshake, or a violation of the rules. */
#define WSOCK_LAYER_WEBSOCKET 1
/** wsock_close_info.layer: the HTTP exchange that begins it. */
#define WSOCK_LAYER_HTTP 2
/** wsock_close_info.layer: TLS: certificates, alerts, a stream that was cut off. */
#define WSOCK_LAYER_TLS 3
/** wsock_close_info.layer: TCP, Unix sockets, and looking up names. */
#define WSOCK_LAYER_TCP 4
/** wsock_close_info.layer: a proxy on the way. */
#define WSOCK_LAYER_PROXY 5
/** wsock_close_info.layer: one of the time limits. */
#define WSOCK_LAYER_TIMEOUT 6
/** wsock_close_info.layer: one of the other limits. */
#define WSOCK_LAYER_LIMIT 7
/** wsock_close_info.layer: the application gave it up; or a bug of the library. */
#define WSOCK_LAYER_LOCAL 8

/** How a connection ended. */
typedef struct {
  /** Bytes of this struct that the library has filled. */
  size_t struct_size;
  /**
   * As the browser's CloseEvent.code: the code that was received, 1005 when the peer's close frame
   * had none, 1006 when there was no close frame.
   */
  int32_t code;
  /** The code in the close frame that was sent; 1005 when it had none, 0 when none was sent. */
  int32_t sent_code;
  /** 1 when close frames went both ways, else 0. */
  int32_t was_clean;
  /** WSOCK_BY_*: who began. */
  int32_t initiator;
  /** WSOCK_OK, or the WSOCK_ERR_* that on_error was told. */
  int32_t status;
  /** Always 0. */
  int32_t reserved;
  /**
   * The reason that was received, or one line of the library's when the end was abnormal. Never
   * NULL, NUL-terminated UTF-8, valid until on_close returns.
   */
  const char *reason;
  /** Length of reason in bytes. */
  size_t reason_len;
  /**
   * Bytes of messages that were accepted and never reached the network. Of what was cut off half-way, frame headers
   * may be counted, too, and over wss what encryption has added.
   */
  uint64_t unsent_bytes;
  /** WSOCK_LAYER_*: where it ended. */
  int32_t layer;
  /** The operating system's errno, or 0. */
  int32_t os_error;
  /** The TLS alert that was sent or received, or 0. */
  int32_t tls_alert;
  /** The HTTP status that refused the handshake, or 0. */
  int32_t http_status;
  /** The reason in the close frame that was sent. Never NULL, valid as reason is. */
  const char *sent_reason;
  /** Length of sent_reason in bytes. */
  size_t sent_reason_len;
  /** Round-trip time of the last answered ping in microseconds; 0 when there was none. */
  uint64_t rtt_us;
} wsock_close_info;

/** What on_retry is told. */
typedef struct {
  /** Bytes of this struct that the library has filled. */
  size_t struct_size;
  /** Which attempt in a row it will be, from 1. */
  int32_t attempt;
  /** Always 0. */
  int32_t reserved;
  /** Milliseconds until it begins. */
  uint64_t delay_ms;
  /** Why: the failure; NULL when the server has closed. */
  const wsock_error_info *error;
  /** How the last connection or attempt ended. Its unsent_bytes are lost. */
  const wsock_close_info *close;
} wsock_retry_info;

/**
 * Your functions. Each may be NULL. Zero the struct, set struct_size, fill in what you want to hear of:
 *
 * `wsock_handlers h = {0}; h.struct_size = sizeof h; h.on_open = on_open;` (in C++ `{}`)
 *
 * The struct is copied by the call it is given to. user_data is what you gave to that call, or later
 * to wsock_conn_set_user_data.
 */
typedef struct {
  /** sizeof(wsock_handlers) of the header your program was compiled with. */
  size_t struct_size;
  /** The handshake is done, messages may flow. */
  void (*on_open)(wsock_conn *conn, void *user_data);
  /**
   * A whole message; type is WSOCK_TEXT (then data is valid UTF-8, without a NUL at its end) or
   * WSOCK_BINARY. data is valid until the callback returns.
   */
  void (*on_message)(wsock_conn *conn,
                     int32_t type,
                     const uint8_t *data,
                     size_t len,
                     void *user_data);
  /**
   * The connection failed, or was given up. on_close follows. error is what wsock_last_error would
   * tell; it is valid until the callback returns.
   */
  void (*on_error)(wsock_conn *conn, const wsock_error_info *error, void *user_data);
  /** The end. The handle is not valid any more once this has returned, and neither is info. */
  void (*on_close)(wsock_conn *conn, const wsock_close_info *info, void *user_data);
  /** A ping arrived; the library has answered it. */
  void (*on_ping)(wsock_conn *conn, const uint8_t *data, size_t len, void *user_data);
  /** A pong arrived: for a ping of yours, for one of the library's keepalive, or for none. */
  void (*on_pong)(wsock_conn *conn, const uint8_t *data, size_t len, void *user_data);
  /**
   * After a send that answered WSOCK_BUFFERED or WSOCK_ERR_LIMIT: the queue has fallen to the
   * low-water mark.
   */
  void (*on_drain)(wsock_conn *conn, void *user_data);
  /**
   * Server: a request has arrived, for a WebSocket (wsock_request_is_upgrade) or for plain HTTP.
   * Return 0 to go on: a WebSocket is accepted, a plain request is answered 426. Return 200 to 599
   * to answer with that status and what wsock_request_add_header and wsock_request_set_body have
   * prepared. Return WSOCK_REQUEST_LATER to answer with wsock_request_answer, when whoever you have to
   * ask has told you. Anything else becomes 500. The request handle is valid until you return, or
   * have answered.
   */
  int32_t (*on_request)(wsock_server *server, wsock_request *request, void *user_data);
  /**
   * Called exactly once, last: no callback will be given this user data again. Not called when the
   * function that was given the handlers was refused.
   */
  void (*release)(void *user_data);
  /**
   * Client with WSOCK_OPT_RECONNECT: the connection, or the attempt to make one, has failed, and another
   * attempt will follow. The handle stays valid, wsock_conn_state is WSOCK_CONNECTING; wsock_conn_header
   * tells the headers of a refusal. wsock_conn_set_target can change URL, headers and proxy for it, such
   * as a token that has expired; wsock_conn_close gives up. on_open comes again when it has worked.
   * info is valid until the callback returns.
   */
  void (*on_retry)(wsock_conn *conn, const wsock_retry_info *info, void *user_data);
  /**
   * The next part of a message: when this is set, messages come through it as they arrive and not through
   * on_message, so that one may be longer than memory. flags has WSOCK_PART_FIRST for the part that begins
   * a message and WSOCK_PART_LAST for the one that ends it; a message that has arrived whole is one part
   * with both. Parts come in order and those of two messages do not mix. Where a message is cut means
   * nothing: text has been checked to be UTF-8 up to here, but a part may end within a character. The last
   * part may be empty, no other is. data is valid until the callback returns.
   *
   * WSOCK_OPT_MAX_MESSAGE_SIZE bounds the whole message; 0 there allows any size. When the connection ends
   * in the middle of a message, its last part never comes and on_close tells why.
   */
  void (*on_part)(wsock_conn *conn,
                  int32_t type,
                  const uint8_t *data,
                  size_t len,
                  uint32_t flags,
                  void *user_data);
} wsock_handlers;

/* ---- Clients --------------------------------------------------------------------------------- */

/**
 * Begins to connect to a server. url is "ws://host:port/path?query", or with "wss://" for TLS, as for the browser's WebSocket:
 * http:// is taken for ws://, https:// for wss://; a fragment is refused; user:password@ before the host becomes Basic
 * authorization; host names are ASCII (xn--...). options may be NULL for the defaults, handlers may be
 * NULL for none.
 *
 * "wss://..." is the same over TLS, see WSOCK_OPT_TLS_CA_FILE and its neighbours;
 * "ws+unix:/path/of.socket:/path?query" goes over a Unix domain socket ("@name" for an abstract one).
 *
 * It never waits. What comes of it is told from the loop: on_open, or on_error and on_close. All
 * addresses of the host are tried, IPv6 and IPv4 in turn.
 *
 * Ownership: url, options and handlers are copied. user_data is yours until handlers.release.
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (bad URL),
 * UNSUPPORTED (wss:// without TLS, unknown handlers), LIMIT, STATE (the loop is being freed). Since: 0.1
 */
wsock_status wsock_connect(wsock_loop *loop,
                           const char *url,
                           const wsock_options *options,
                           const wsock_handlers *handlers,
                           void *user_data,
                           wsock_conn **out_conn);

/**
 * As wsock_connect, over a connection that is there already: a connected stream socket, TCP or Unix,
 * through a tunnel of your own, say. url says what to ask the server for: host and resource; nobody
 * is looked up or dialled, so redirects are not followed, challenges not answered and WSOCK_OPT_RECONNECT
 * is refused. What you have read from it already goes to data, len bytes, and is taken
 * for the beginning of what the server sends; NULL and 0 when that is nothing, as it should be.
 *
 * Ownership: on success fd is the library's, which closes it; after a refusal it is yours, unchanged.
 * url, data, options and handlers are copied. user_data is yours until handlers.release.
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (bad URL, no
 * connected socket, WSOCK_OPT_RECONNECT), UNSUPPORTED (wss://, unknown handlers), SYSTEM, LIMIT, STATE (the loop is being
 * freed). Since: 0.1
 */
wsock_status wsock_connect_fd(wsock_loop *loop,
                              int32_t fd,
                              const char *url,
                              const wsock_options *options,
                              const wsock_handlers *handlers,
                              void *user_data,
                              const void *data,
                              size_t len,
                              wsock_conn **out_conn);

/* ---- Connections ----------------------------------------------------------------------------- */

/** wsock_conn_state: not open yet. */
#define WSOCK_CONNECTING 0
/** wsock_conn_state: messages flow. */
#define WSOCK_OPEN 1
/** wsock_conn_state: the close handshake has begun. */
#define WSOCK_CLOSING 2
/** wsock_conn_state: it is over, or never was. */
#define WSOCK_CLOSED 3

/** Flag for sending: do not compress this message, although the connection could. */
#define WSOCK_SEND_NO_COMPRESS 1
/** Flag for wsock_conn_send_part: the message ends with this part. */
#define WSOCK_SEND_LAST 2

/** What WSOCK_OPT_OVERFLOW says. */
#define WSOCK_OVERFLOW_DEFAULT 0
/** Sending answers WSOCK_ERR_LIMIT, and the message is not sent. */
#define WSOCK_OVERFLOW_REFUSE 1
/** The message is dropped. */
#define WSOCK_OVERFLOW_DROP_NEWEST 2
/**
 * The oldest messages that wait and were sent this way are dropped until there is room; when that is not
 * enough, this message is dropped instead.
 */
#define WSOCK_OVERFLOW_DROP_OLDEST 3
/**
 * Sending answers WSOCK_ERR_LIMIT, and the connection is closed with 1008, since its peer is too slow:
 * on_error tells WSOCK_ERR_POLICY. What waits is sent as far as WSOCK_OPT_CLOSE_TIMEOUT_MS allows.
 */
#define WSOCK_OVERFLOW_CLOSE 4

/** wsock_conn_get_str: the URL. Of an accepted connection: made from the Host and target it asked for. */
#define WSOCK_CONN_URL 1
/** wsock_conn_get_str: the subprotocol agreed on. */
#define WSOCK_CONN_PROTOCOL 2
/** wsock_conn_get_str: the extensions agreed on. */
#define WSOCK_CONN_EXTENSIONS 3
/**
 * wsock_conn_get_str: address and port of the other side, such as `127.0.0.1:4711` or `[::1]:4711`;
 * `unix:` over a Unix domain socket; what a load balancer told, after
 * wsock_options_add_trusted_proxy.
 */
#define WSOCK_CONN_PEER_ADDRESS 4
/** wsock_conn_get_str: address and port of this side, while there is a socket. */
#define WSOCK_CONN_LOCAL_ADDRESS 5
/**
 * wsock_conn_get_str, in a client's on_error and on_close: up to 4 KiB of what came with another HTTP
 * status than 101.
 */
#define WSOCK_CONN_RESPONSE_BODY 6
/** wsock_conn_get_str: "TLSv1.3" or "TLSv1.2" while there is a socket; "" without TLS. So for the next three. */
#define WSOCK_CONN_TLS_VERSION 7
/** wsock_conn_get_str: the cipher suite, such as `TLS_AES_256_GCM_SHA384`. */
#define WSOCK_CONN_TLS_CIPHER 8
/**
 * wsock_conn_get_str: the host name that the client asked the server for (SNI); none when it was an
 * address.
 */
#define WSOCK_CONN_TLS_SERVER_NAME 9
/**
 * wsock_conn_get_str: the subject of the peer's certificate as RFC 4514 writes it, such as
 * `CN=client,O=Example`; "" when it showed none, or was not verified
 * (WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE).
 */
#define WSOCK_CONN_PEER_SUBJECT 10

/** What a pull function of wsock_conn_send_from answers when it has nothing now. */
#define WSOCK_PULL_LATER (-1)
/** What it answers when the message cannot be finished. */
#define WSOCK_PULL_FAILED (-2)

/** How wsock_conn_send_with sends. All zero after struct_size: as wsock_conn_send. */
typedef struct {
  /** Set this to sizeof(wsock_send_options). */
  size_t struct_size;
  /** 0 or WSOCK_SEND_NO_COMPRESS. */
  uint32_t flags;
  /**
   * What becomes of the message when there is no room for it, WSOCK_OVERFLOW_*; 0: what
   * WSOCK_OPT_OVERFLOW says.
   */
  int32_t overflow;
  /**
   * When a message with the same key waits, this one takes its place in the line instead of going to its
   * end; 0: no key. For values of which only the newest counts.
   */
  uint64_t key;
  /**
   * With this the message is not copied: data stays yours to keep, unchanged, until release is called
   * with data, len and release_user: exactly once, soon after the last byte has left or was copied,
   * perhaps before the call returns, from any thread, but never inside a callback. NULL: data is copied.
   */
  void (*release)(const void *data, size_t len, void *user);
  /** What release is given last. */
  void *release_user;
} wsock_send_options;

/** Figures of one connection. */
typedef struct {
  /** Set this to sizeof(wsock_conn_stats) before the call. */
  size_t struct_size;
  /** Whole messages received. */
  uint64_t messages_received;
  /** Messages sent. */
  uint64_t messages_sent;
  /** Bytes received on the wire, frame headers included, the handshake not. */
  uint64_t bytes_received;
  /** Bytes handed to the operating system, frame headers included, the handshake not. */
  uint64_t bytes_sent;
  /** Bytes of messages received, after inflating. */
  uint64_t payload_received;
  /** Bytes of messages sent, before deflating. */
  uint64_t payload_sent;
  /** Pings received. */
  uint64_t pings_received;
  /** Pongs received. */
  uint64_t pongs_received;
  /** As wsock_conn_buffered_amount. */
  uint64_t buffered_amount;
  /** Round-trip time of the last answered ping in microseconds; 0 when there was none yet. */
  uint64_t rtt_us;
  /** 1 when the TLS handshake took up an earlier session again, else 0. */
  uint64_t tls_resumed;
  /**
   * Messages to send that WSOCK_OVERFLOW_DROP_NEWEST, WSOCK_OVERFLOW_DROP_OLDEST or a newer one with the
   * same key has dropped.
   */
  uint64_t messages_dropped;
  /** Their bytes. */
  uint64_t bytes_dropped;
} wsock_conn_stats;

/**
 * Sends a message; type is WSOCK_TEXT (data must be UTF-8) or WSOCK_BINARY, flags is 0 or
 * WSOCK_SEND_NO_COMPRESS. It is queued when the network is slower than you: WSOCK_BUFFERED says that
 * the queue is above WSOCK_OPT_HIGH_WATER, and on_drain will say when it no longer is. Messages that
 * one thread sends arrive in that order. WSOCK_OPT_OVERFLOW says what is done when there is no room;
 * WSOCK_DROPPED, that something was dropped.
 *
 * Ownership: data is copied. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open), LIMIT (WSOCK_OPT_MAX_BUFFERED), INVALID_ARGUMENT
 * (type, data, not UTF-8), UNSUPPORTED (flags), POISONED. Since: 0.1
 */
wsock_status wsock_conn_send(wsock_conn *conn,
                             int32_t type,
                             const void *data,
                             size_t len,
                             uint32_t flags);

/**
 * Sends a text message of len bytes of UTF-8; a NUL at the end does not count. Otherwise as
 * wsock_conn_send.
 *
 * Ownership: text is copied. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, STATE, LIMIT, INVALID_ARGUMENT, POISONED. Since: 0.1
 */
wsock_status wsock_conn_send_text(wsock_conn *conn, const char *text, size_t len);

/**
 * Sends a binary message. Otherwise as wsock_conn_send.
 *
 * Ownership: data is copied. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, STATE, LIMIT, INVALID_ARGUMENT, POISONED. Since: 0.1
 */
wsock_status wsock_conn_send_binary(wsock_conn *conn, const void *data, size_t len);

/**
 * Sends count messages of one type that lie one behind the other in data, len bytes in all; lens says how long
 * each is. It does what so many calls of wsock_conn_send do, in one, for languages in which a call is dear, and
 * stops at the first message that is refused. The answer is an error only if that was the very first; otherwise
 * *out_taken says how many were taken, and if those were not all, wsock_last_error says why. WSOCK_DROPPED is
 * answered when any was dropped, else WSOCK_BUFFERED when the queue was above WSOCK_OPT_HIGH_WATER after any.
 *
 * Ownership: data is copied. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open), LIMIT (WSOCK_OPT_MAX_BUFFERED), INVALID_ARGUMENT (type,
 * data, lens that are NULL or do not add up to len, out_taken, not UTF-8), UNSUPPORTED (flags), POISONED.
 * Since: 0.1
 */
wsock_status wsock_conn_send_many(wsock_conn *conn,
                                  int32_t type,
                                  const void *data,
                                  size_t len,
                                  const size_t *lens,
                                  size_t count,
                                  uint32_t flags,
                                  size_t *out_taken);

/**
 * Sends a message as options say: without a copy, in place of an older one that waits, or with what to
 * do when there is no room. NULL options: as wsock_conn_send.
 *
 * With release the bytes are lent: a server without compression sends them from where they are; when they
 * have to be masked or compressed they are copied piece by piece. release is called exactly once, when they
 * are not needed any more, and also when the call is refused; in either case that may be before it returns.
 * Only when options itself cannot be read (its struct_size) it is not called.
 *
 * From another thread than the loop's, messages with WSOCK_OVERFLOW_DROP_* may wait up to twice
 * WSOCK_OPT_MAX_BUFFERED; what the loop then drops is told by messages_dropped in wsock_conn_stats.
 *
 * Ownership: data is copied, or lent until release is called. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open), LIMIT (WSOCK_OVERFLOW_REFUSE, WSOCK_OVERFLOW_CLOSE),
 * INVALID_ARGUMENT (type, data, not UTF-8), UNSUPPORTED (flags, overflow), POISONED. Since: 0.1
 */
wsock_status wsock_conn_send_with(wsock_conn *conn,
                                  int32_t type,
                                  const void *data,
                                  size_t len,
                                  const wsock_send_options *options);

/**
 * Sends the next part of a message whose length need not be known: the first part begins it, the one with
 * WSOCK_SEND_LAST ends it, and that may be empty. flags is WSOCK_SEND_LAST or 0, and with the first part
 * also WSOCK_SEND_NO_COMPRESS; type is the same for all parts. Text may be cut anywhere; a part with
 * which it cannot be UTF-8 is refused, and the next one may follow in its place.
 *
 * Parts leave as they come; the peer gets one message. Other messages sent meanwhile wait until its last
 * part has been sent. When the connection closes before that the message is lost, and with it those that
 * waited for it: unsent_bytes counts them.
 *
 * Ownership: data is copied. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open, or no more the connection that took the first part),
 * LIMIT (WSOCK_OPT_MAX_BUFFERED, whatever WSOCK_OPT_OVERFLOW says), INVALID_ARGUMENT (type, data, not UTF-8),
 * UNSUPPORTED (flags), POISONED. Since: 0.1
 */
wsock_status wsock_conn_send_part(wsock_conn *conn,
                                  int32_t type,
                                  const void *data,
                                  size_t len,
                                  uint32_t flags);

/**
 * Sends a ping with at most 125 bytes. The answer comes as on_pong, and its time as rtt_us in
 * wsock_conn_stats. The library pings by itself when the peer is silent: WSOCK_OPT_PING_INTERVAL_MS.
 *
 * Ownership: data is copied. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, STATE, LIMIT (a thousand wait), INVALID_ARGUMENT, POISONED. Since: 0.1
 */
wsock_status wsock_conn_ping(wsock_conn *conn,
                             const void *data,
                             size_t len);

/**
 * Begins the close handshake; what was sent before still arrives. on_close follows when it is done,
 * or after WSOCK_OPT_CLOSE_TIMEOUT_MS. A connection that is not open yet is given up. Closing again
 * does nothing.
 *
 * code 0 sends no code. A client may use 1000 and 3000 to 4999, as in browsers; on a connection
 * that a server accepted also 1001 to 1003, 1007 to 1009 and 1011 to 1014. reason is at most 123
 * bytes of UTF-8, needs a code, and may be NULL.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (code or reason), POISONED. Since: 0.1
 */
wsock_status wsock_conn_close(wsock_conn *conn,
                              int32_t code,
                              const char *reason);

/**
 * Gives the connection up: no close handshake, TCP is reset, what is queued is lost and counted in
 * unsent_bytes. on_error (WSOCK_ERR_ABORTED) and on_close follow from the loop.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, POISONED. Since: 0.1
 */
wsock_status wsock_conn_abort(wsock_conn *conn);

/**
 * Stops reading. No message, ping or pong is told until wsock_conn_resume, and TCP makes the peer
 * stop sending. The peer's close frame and its end are not seen either until then, and its silence is
 * not held against it. wsock_conn_close resumes, and so does losing the connection: a client that comes
 * back reads.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
 */
wsock_status wsock_conn_pause(wsock_conn *conn);

/**
 * Reads on after wsock_conn_pause.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
 */
wsock_status wsock_conn_resume(wsock_conn *conn);

/**
 * WSOCK_CONNECTING, WSOCK_OPEN, WSOCK_CLOSING or WSOCK_CLOSED, as the browser's readyState. A handle
 * that is not valid is WSOCK_CLOSED.
 *
 * Thread: any. Since: 0.1
 */
int32_t wsock_conn_state(const wsock_conn *conn);

/**
 * Bytes of messages that are queued and not handed to the operating system yet, as the browser's
 * bufferedAmount, but what has been compressed counts as it will be sent. 0 when the handle is not valid.
 *
 * Thread: any. Since: 0.1
 */
size_t wsock_conn_buffered_amount(const wsock_conn *conn);

/**
 * A text about the connection; what is WSOCK_CONN_*. NUL-terminated; "" when there is none, or none
 * yet; NULL when the handle or what is not valid. Its length goes to out_len, which may be NULL.
 *
 * Ownership: the library's; valid until on_close returns, or, of a client that comes back, until its next
 * attempt begins. Thread: loop. Since: 0.1
 */
const char *wsock_conn_get_str(const wsock_conn *conn,
                               int32_t what,
                               size_t *out_len);

/**
 * A header of the peer's side of the handshake: of the request on a server, of the response on a
 * client. index 0 is the first of that name, 1 the second ... Names are compared without case. NULL
 * when there is none.
 *
 * They are there from the handshake until on_open returns; when a client's handshake failed, in
 * on_error and on_close.
 *
 * Ownership: the library's; valid until on_close returns, or, of a client that comes back, until its next
 * attempt begins. Thread: loop. Since: 0.1
 */
const char *wsock_conn_header(const wsock_conn *conn,
                              const char *name,
                              size_t index,
                              size_t *out_len);

/**
 * The header line at index of the peer's side of the handshake, in the order they came: to walk through all of
 * them. LIMIT past the end, and when they are not there any more, as with wsock_conn_header.
 *
 * Ownership: the library's; valid until on_close returns, or, of a client that comes back, until its next
 * attempt begins. Thread: loop.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT, LIMIT. Since: 0.1
 */
wsock_status wsock_conn_header_at(const wsock_conn *conn,
                                  size_t index,
                                  const char **out_name,
                                  const char **out_value);

/**
 * The value of a cookie that the server has set with its answer (Set-Cookie); on an accepted connection,
 * of one that the client sent. NULL when there is none of that name. It is there as long as
 * wsock_conn_header.
 *
 * Ownership: the library's; valid until on_close returns, or, of a client that comes back, until its next
 * attempt begins. Thread: loop. Since: 0.1
 */
const char *wsock_conn_cookie(const wsock_conn *conn,
                              const char *name,
                              size_t *out_len);

/**
 * Client with WSOCK_OPT_RECONNECT: another URL, another set of options, or both, from the next attempt
 * on. NULL keeps what there is. Typically called in on_retry, with headers that carry a fresh token. The
 * present connection is not touched.
 *
 * Ownership: url and options are copied. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD,
 * STATE (not a client that reconnects), and what wsock_connect answers to such a URL and options.
 * Since: 0.1
 */
wsock_status wsock_conn_set_target(wsock_conn *conn,
                                   const char *url,
                                   const wsock_options *options);

/**
 * Gives the connection its own user data in place of what it has. release may be NULL; it is called
 * exactly once, when no callback will be given this user data again. What it had before is released
 * the same way: at once, or when the callback that is running with it has returned.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
 */
wsock_status wsock_conn_set_user_data(wsock_conn *conn,
                                      void *user_data,
                                      void (*release)(void *user_data));

/**
 * The user data that the connection's callbacks are given; NULL when the handle is not valid.
 *
 * Thread: loop. Since: 0.1
 */
void *wsock_conn_user_data(const wsock_conn *conn);

/**
 * The server that accepted the connection; NULL for a client's, and when the handle is not valid.
 *
 * Thread: loop. Since: 0.1
 */
wsock_server *wsock_conn_server(const wsock_conn *conn);

/**
 * Copies the connection's figures to out_stats. Set out_stats->struct_size first.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT, POISONED. Since: 0.1
 */
wsock_status wsock_conn_get_stats(const wsock_conn *conn,
                                  wsock_conn_stats *out_stats);

/**
 * Sends what a descriptor gives as one message: a file from where it stands, a pipe, a socket, a
 * terminal. It is read in pieces of at most 64 KiB, when the connection has room for more, so the message
 * may be longer than memory. len is how many bytes to send, or UINT64_MAX for all up to the end. type and
 * flags are as for wsock_conn_send. Text has to be UTF-8.
 *
 * The message has its place among the others: what is sent after it waits for its end, in memory. It goes
 * on when wsock_conn_close is called, as long as the connection has not waited for WSOCK_OPT_CLOSE_TIMEOUT_MS
 * for more of it. When reading fails, or the end comes before len bytes, the message cannot be finished,
 * nor can another follow: the connection is closed with 1011, and on_error tells why.
 *
 * A pipe, a socket or a terminal is watched by the loop and never waited for, whether it is non-blocking or
 * not; nobody else should read from it meanwhile. Reading a regular file may wait for the disk.
 *
 * Ownership: on success fd is the library's, which closes it when it needs it no longer; after a refusal it
 * is yours, unchanged. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, STATE (not open),
 * INVALID_ARGUMENT (type; not open for reading, a directory), UNSUPPORTED (flags), SYSTEM, POISONED.
 * Since: 0.1
 */
wsock_status wsock_conn_send_fd(wsock_conn *conn,
                                int32_t type,
                                int32_t fd,
                                uint64_t len,
                                uint32_t flags);

/**
 * Sends a message that your function makes, piece by piece, when the connection has room for more, so it may
 * be longer than memory. type and flags are as for wsock_conn_send; the message has its place among the
 * others as with wsock_conn_send_fd.
 *
 * pull is called from the loop like a callback, with room for capacity bytes, and may call anything. It
 * writes to buffer and answers how many bytes that was, at least one; 0 when the message ends;
 * WSOCK_PULL_LATER when it has nothing now, to be called again after wsock_conn_pull_again; WSOCK_PULL_FAILED
 * when it cannot go on, which closes the connection with 1011. Text may be cut anywhere but has to be UTF-8.
 *
 * release may be NULL. It is called exactly once, when pull will not be called any more: the message has
 * ended, or the connection has.
 *
 * Ownership: user_data is yours until release; after a refusal it is yours and release is not called.
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, STATE (not open), INVALID_ARGUMENT (type;
 * pull is NULL), UNSUPPORTED (flags), POISONED. Since: 0.1
 */
wsock_status wsock_conn_send_from(wsock_conn *conn,
                                  int32_t type,
                                  int64_t (*pull)(wsock_conn *conn,
                                                  void *buffer,
                                                  size_t capacity,
                                                  void *user_data),
                                  void *user_data,
                                  void (*release)(void *user_data),
                                  uint32_t flags);

/**
 * There is more for a pull function of this connection that answered WSOCK_PULL_LATER: it is called again.
 * Calling this without need does no harm, and a call just before pull answers is not lost.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND. Since: 0.1
 */
wsock_status wsock_conn_pull_again(wsock_conn *conn);

/**
 * Keeps a message that conn has received, beyond the callback or the batch that it was given to, without
 * a copy: data is the pointer that on_message was given, or data of a WSOCK_EVENT_TEXT or
 * WSOCK_EVENT_BINARY of the last batch. It can be read (wsock_message_data) and sent to others without a
 * copy, from any thread, until wsock_message_free. Small messages share the memory they came in, up to 1
 * MiB that stays as long as one of them is kept: copy what you keep for long.
 *
 * Thread: loop, inside the callback or before the next batch is fetched.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (data is no such pointer, or a part of
 * a message), LIMIT (a million messages). Since: 0.1
 */
wsock_status wsock_conn_retain(const wsock_conn *conn,
                               const void *data,
                               wsock_message **out_message);

/**
 * Sends a message on one connection, without a copy unless it has to be masked, as wsock_conn_send_with
 * does; options may be NULL, and their release must be NULL.
 *
 * Ownership: the message is still yours. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open), LIMIT (WSOCK_OVERFLOW_REFUSE, WSOCK_OVERFLOW_CLOSE),
 * INVALID_ARGUMENT (release), UNSUPPORTED (flags, overflow), POISONED. Since: 0.1
 */
wsock_status wsock_conn_send_message(wsock_conn *conn,
                                     const wsock_message *message,
                                     const wsock_send_options *options);

/* ---- Servers --------------------------------------------------------------------------------- */

/** Figures of one server. */
typedef struct {
  /** Set this to sizeof(wsock_server_stats) before the call. */
  size_t struct_size;
  /** Connections that are open or closing now. */
  uint64_t connections;
  /** Handshakes in progress now. */
  uint64_t handshakes;
  /** Connections ever accepted, without those that a limit turned away at once. */
  uint64_t accepted;
  /** Handshakes that ended in on_open. */
  uint64_t opened;
  /**
   * Requests for a WebSocket answered with an HTTP error, requests that were not valid, and whoever
   * came while the server was being closed.
   */
  uint64_t refused;
  /** Plain HTTP requests answered. */
  uint64_t http_responses;
  /** Handshakes that took too long. */
  uint64_t handshake_timeouts;
  /**
   * Peers that hung up before the handshake was done, and load balancers whose PROXY protocol header
   * was not valid.
   */
  uint64_t handshake_errors;
  /** Times that accepting failed for lack of file descriptors or memory and was put off. */
  uint64_t accept_errors;
  /** Messages received by all its connections, ended ones included; so for the next three. */
  uint64_t messages_received;
  /** Messages sent. */
  uint64_t messages_sent;
  /** Bytes received on the wire. */
  uint64_t bytes_received;
  /** Bytes handed to the operating system. */
  uint64_t bytes_sent;
  /** Connections turned away by WSOCK_OPT_MAX_CONNECTIONS. */
  uint64_t refused_connections;
  /** Connections turned away by WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS. */
  uint64_t refused_per_address;
  /** Connections turned away by WSOCK_OPT_MAX_HANDSHAKES. */
  uint64_t refused_handshakes;
  /**
   * Of refused: requests beyond WSOCK_OPT_MAX_HEAD_BYTES, WSOCK_OPT_MAX_HEADERS or
   * WSOCK_OPT_MAX_REQUEST_LINE, answered 431 or 414.
   */
  uint64_t refused_head;
  /** Of refused: requests slower than WSOCK_OPT_MIN_HANDSHAKE_RATE, answered 408. */
  uint64_t refused_slow;
  /** Connections ended by WSOCK_OPT_MAX_CONTROL_RATE. */
  uint64_t ended_control_rate;
  /** 1 from wsock_server_close on, before that 0. How many are left is in connections. */
  uint64_t draining;
  /** Connections that wsock_server_close has sent a close frame so far. */
  uint64_t drain_closed;
  /** Milliseconds until it has sent the last of them and stops listening. */
  uint64_t drain_remaining_ms;
  /** Messages to send that were dropped, on all its connections, ended ones included. */
  uint64_t messages_dropped;
  /** Their bytes. */
  uint64_t bytes_dropped;
  /** Bytes of messages received, after inflating. */
  uint64_t payload_received;
  /** Bytes of messages sent, before deflating. */
  uint64_t payload_sent;
  /** Of refused: pages from an origin that WSOCK_OPT_ORIGIN_POLICY keeps out, answered 403. */
  uint64_t refused_origin;
  /** Of refused: another version of the protocol than 13, answered 426. */
  uint64_t refused_version;
  /** Of refused: came while the server was being closed, answered 503. */
  uint64_t refused_draining;
  /** Of refused: by what your on_request returned. */
  uint64_t refused_application;
  /** Of handshake_errors: TLS did not come about. */
  uint64_t tls_errors;
} wsock_server_stats;

/**
 * Listens for connections. handlers and user_data apply to every connection that is accepted; on_open
 * can give a connection its own with wsock_conn_set_user_data. With a certificate
 * (wsock_options_add_cert_files) it listens for wss://, and only for that. host is one of
 *
 * - a numeric address, "localhost" (127.0.0.1 and ::1), or NULL, "" or "*" for every address of both
 *   protocols. port 0 takes a free one, which wsock_server_port tells.
 * - "unix:/path": a Unix domain socket; "unix:@name": one without a file (Linux). port must be 0. A
 *   socket file that an ended server has left behind is replaced; one that somebody listens on, and
 *   any other kind of file, is refused with SYSTEM. The file is removed when the server stops
 *   listening. See WSOCK_OPT_UNIX_MODE.
 * - "systemd": all sockets that systemd, or whoever else speaks its protocol, has opened for this
 *   process (LISTEN_FDS, LISTEN_PID); "systemd:NAME": those of that name (LISTEN_FDNAMES). port must
 *   be 0. Each socket can be taken once. The environment is not changed, and files of these sockets
 *   are not removed.
 *
 * Ownership: host, options and handlers are copied. user_data is yours until handlers.release, which
 * comes when the server and its last connection have ended.
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (bad host, path too
 * long), SYSTEM (in use, not permitted, no sockets from systemd ...), UNSUPPORTED (unknown handlers),
 * LIMIT, STATE (the loop is being freed). Since: 0.1
 */
wsock_status wsock_listen(wsock_loop *loop,
                          const char *host,
                          uint16_t port,
                          const wsock_options *options,
                          const wsock_handlers *handlers,
                          void *user_data,
                          wsock_server **out_server);

/**
 * The port a server listens on; 0 for a Unix domain socket, and when the handle is not valid.
 *
 * Thread: loop. Since: 0.1
 */
uint16_t wsock_server_port(const wsock_server *server);

/**
 * Shows the certificates of these options, added with wsock_options_add_cert_files, to clients that come
 * from now on, and asks of them what WSOCK_OPT_TLS_CLIENT_CERT says. What else the options hold is not
 * looked at; connections there are go on. For when certificates are renewed: make options with the new
 * files, set them, free the options. Clients resume the sessions they have as long as
 * WSOCK_OPT_TLS_CLIENT_CERT and whom it trusts stay the same.
 *
 * Ownership: options are copied. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD,
 * INVALID_ARGUMENT (no certificate in options), STATE (the server listens without TLS). Since: 0.1
 */
wsock_status wsock_server_set_tls(wsock_server *server,
                                  const wsock_options *options);

/**
 * Ends a server. Every open connection is closed with this code (0: 1001, "going away") and reason
 * (may be NULL); those that do not finish their close handshake are dropped after
 * WSOCK_OPT_CLOSE_TIMEOUT_MS. The handle is valid until the last connection has ended; then comes the
 * handlers' release.
 *
 * grace_ms 0: all at once. It stops listening, and handshakes that are not done are answered 503.
 *
 * grace_ms above 0: the connections get their close frames spread evenly over this time, so that not
 * all clients reconnect at the same moment. Meanwhile it goes on listening, but answers each request,
 * plain HTTP too, with 503 and Retry-After, so that load balancers and clients go elsewhere; on_request
 * is not called any more. It stops listening at the end of this time, or sooner, when the last
 * connection has ended. wsock_server_get_stats tells how far it is.
 *
 * Calling it again while a time of grace runs makes it shorter, with the new code and reason for the
 * connections that are still open; 0 closes them now. A call that would make it longer changes nothing.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (time, code or reason).
 * Since: 0.1
 */
wsock_status wsock_server_close(wsock_server *server,
                                int32_t grace_ms,
                                int32_t code,
                                const char *reason);

/**
 * Copies the server's figures to out_stats. Set out_stats->struct_size first.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_server_get_stats(const wsock_server *server, wsock_server_stats *out_stats);

/**
 * As wsock_listen, on a socket of yours that listens already: TCP or Unix, a stream. It becomes
 * non-blocking and is closed on exec. The file of a Unix socket is not removed.
 *
 * Ownership: on success fd is the library's, which closes it; after a refusal it is yours, unchanged.
 * options and handlers are copied. user_data is yours until handlers.release. Thread: loop.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (no listening socket), SYSTEM,
 * UNSUPPORTED (unknown handlers), LIMIT, STATE (the loop is being freed). Since: 0.1
 */
wsock_status wsock_listen_fd(wsock_loop *loop,
                             int32_t fd,
                             const wsock_options *options,
                             const wsock_handlers *handlers,
                             void *user_data,
                             wsock_server **out_server);

/**
 * Hands a server a connection that was made elsewhere: a connected stream socket, TCP or Unix. It is
 * treated as if the server had accepted it. What you have read from it already goes to data, len
 * bytes, and is taken for the beginning of what the peer sends; NULL and 0 when that is nothing.
 *
 * Ownership: on success fd is the library's, which closes it; after a refusal it is yours, unchanged.
 * data is copied. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (no
 * connected socket), SYSTEM, LIMIT, STATE (the server is closing). Since: 0.1
 */
wsock_status wsock_server_adopt(wsock_server *server,
                                int32_t fd,
                                const void *data,
                                size_t len);

/**
 * Sends a message to every open connection of a server, but for except, which may be NULL or have ended.
 * Each is sent to as WSOCK_OPT_OVERFLOW of the server says; nobody waits for anybody.
 *
 * Ownership: the message is still yours. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, LIMIT (64 MiB wait for the thread of the loop), POISONED. Since: 0.1
 */
wsock_status wsock_server_broadcast(wsock_server *server,
                                    const wsock_message *message,
                                    const wsock_conn *except);

/* ---- Messages -------------------------------------------------------------------------------- */

/**
 * Makes a message to be sent many times; type is WSOCK_TEXT (data must be UTF-8) or WSOCK_BINARY. Free
 * it with wsock_message_free.
 *
 * Ownership: data is copied, once. Thread: any.
 * Errors: INVALID_ARGUMENT (type, data, not UTF-8), NO_MEMORY, LIMIT (a million messages). Since: 0.1
 */
wsock_status wsock_message_new(int32_t type,
                               const void *data,
                               size_t len,
                               wsock_message **out_message);

/**
 * Gives the message up. What was sent or published of it still goes out. NULL and stale handles do no
 * harm.
 *
 * Thread: any. Since: 0.1
 */
void wsock_message_free(wsock_message *message);

/**
 * The bytes of a message; NULL when the handle is not valid. out_type gets WSOCK_TEXT or WSOCK_BINARY,
 * out_len the length; both may be NULL.
 *
 * Ownership: the library's; valid until wsock_message_free. Thread: any. Since: 0.1
 */
const void *wsock_message_data(const wsock_message *message,
                               int32_t *out_type,
                               size_t *out_len);

/**
 * How often the message has been compressed so far: once for each way of compressing that connections had
 * agreed on with their peers, however many they were. 0 when the handle is not valid.
 *
 * Thread: any. Since: 0.1
 */
size_t wsock_message_compressions(const wsock_message *message);

/* ---- Hubs ------------------------------------------------------------------------------------ */

/** wsock_publish_options.flags: do not compress this message, although the connections could. */
#define WSOCK_PUBLISH_NO_COMPRESS 1
/**
 * wsock_publish_options.flags: keep this message as the last value of its topic, in place of the one
 * before: whoever subscribes later gets it at once.
 */
#define WSOCK_PUBLISH_KEEP 2

/** How to publish. */
typedef struct {
  /** Set this to sizeof(wsock_publish_options). */
  size_t struct_size;
  /** WSOCK_PUBLISH_*, or 0. */
  uint32_t flags;
  /**
   * What becomes of the message where there is no room for it, WSOCK_OVERFLOW_*; 0: what
   * WSOCK_OPT_OVERFLOW of the connection says.
   */
  int32_t overflow;
  /**
   * While a message waits in the queue of a subscriber, a newer one with the same key takes its place,
   * so that who is slow gets the newest; 0: no key.
   */
  uint64_t key;
  /**
   * A connection that does not get the message, such as the one it came from; NULL for none. It may
   * have ended.
   */
  const wsock_conn *except;
} wsock_publish_options;

/** Figures of a hub. */
typedef struct {
  /** Set this to sizeof(wsock_hub_stats) before the call. */
  size_t struct_size;
  /** Topics, and beginnings with an asterisk, that somebody has subscribed to now. */
  uint64_t topics;
  /** Subscriptions there are now. */
  uint64_t subscriptions;
  /** Messages kept now. */
  uint64_t kept;
  /** Messages ever published. */
  uint64_t published;
  /** Messages sent to a subscriber and not refused, kept ones included. */
  uint64_t deliveries;
  /** Messages that were refused because the queue of a subscriber was full. */
  uint64_t refused;
  /** Of deliveries: messages dropped, since the queue was full, or a newer one with their key came. */
  uint64_t dropped;
  /** Messages that a loop did not get because it had too many before them. */
  uint64_t missed;
} wsock_hub_stats;

/**
 * Makes a hub. Free it with wsock_hub_free.
 *
 * Thread: any. Errors: INVALID_ARGUMENT, LIMIT (a million hubs). Since: 0.1
 */
wsock_status wsock_hub_new(wsock_hub **out_hub);

/**
 * Ends a hub, its subscriptions and its kept messages. What was published before still arrives; nothing
 * happens to the connections. NULL and stale handles do no harm.
 *
 * Thread: any. Since: 0.1
 */
void wsock_hub_free(wsock_hub *hub);

/**
 * Lets a connection get what is published to a topic from now on, and first the messages that were kept
 * (WSOCK_PUBLISH_KEEP). topic is 1 to 1024 bytes of UTF-8: a topic such as `prices.eur`, or a beginning
 * with an asterisk such as `prices.*` for all topics that begin with `prices.`; `*` means all.
 *
 * A message comes once, however many subscriptions of the connection mean its topic, and subscribing
 * again changes nothing. All subscribers get the messages of a hub in the same order; of a kept message
 * and those after it none is missing and none comes twice. The subscription ends with wsock_hub_unsubscribe, with the
 * connection, or with the hub. It outlasts the attempts of a client that reconnects; while there is no
 * connection, messages wait in WSOCK_OPT_RECONNECT_QUEUE or are lost.
 *
 * Ownership: topic is copied. Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic),
 * STATE (the connection is closing), POISONED. Since: 0.1
 */
wsock_status wsock_hub_subscribe(wsock_hub *hub,
                                 wsock_conn *conn,
                                 const char *topic);

/**
 * Takes a subscription back, written as it was made; with NULL all that the connection has in this hub.
 * When there is none, that is fine. What was published before still arrives.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic), POISONED. Since: 0.1
 */
wsock_status wsock_hub_unsubscribe(wsock_hub *hub,
                                   wsock_conn *conn,
                                   const char *topic);

/**
 * Sends a message to every subscriber of a topic, in whatever loop; type is WSOCK_TEXT (data must be
 * UTF-8) or WSOCK_BINARY, options may be NULL. The message is framed once, and compressed once for each
 * way of compressing that subscribers have negotiated. Messages that one thread publishes arrive in that order.
 *
 * Nobody waits for anybody. A subscriber whose queue is full is dealt with as overflow in the options says,
 * or WSOCK_OPT_OVERFLOW of its connection. A loop whose thread has not come to more than 16 MiB of this
 * hub's messages makes this WSOCK_BUFFERED; beyond 64 MiB its subscribers do not get the message, the
 * others do, and this is WSOCK_DROPPED.
 *
 * Ownership: topic and data are copied. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic, type, data, not UTF-8), UNSUPPORTED
 * (options). Since: 0.1
 */
wsock_status wsock_hub_publish(wsock_hub *hub,
                               const char *topic,
                               int32_t type,
                               const void *data,
                               size_t len,
                               const wsock_publish_options *options);

/**
 * The same with a message that is there already, without a copy.
 *
 * Ownership: topic is copied, the message is still yours. Thread: any.
 * Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic), UNSUPPORTED (options). Since: 0.1
 */
wsock_status wsock_hub_publish_message(wsock_hub *hub,
                                       const char *topic,
                                       const wsock_message *message,
                                       const wsock_publish_options *options);

/**
 * Forgets the message that was kept of a topic, or with an asterisk at the end, those of all topics with
 * that beginning.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic). Since: 0.1
 */
wsock_status wsock_hub_forget(wsock_hub *hub,
                              const char *topic);

/**
 * Copies the hub's figures to out_stats. Set out_stats->struct_size first.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_hub_get_stats(const wsock_hub *hub, wsock_hub_stats *out_stats);

/* ---- Requests to a server -------------------------------------------------------------------- */

/** wsock_request_get_str: "GET" and the like. */
#define WSOCK_REQUEST_METHOD 1
/** wsock_request_get_str: the target as it was sent. */
#define WSOCK_REQUEST_TARGET 2
/** wsock_request_get_str: the path, without the query. */
#define WSOCK_REQUEST_PATH 3
/** wsock_request_get_str: the query, without the question mark. */
#define WSOCK_REQUEST_QUERY 4
/** wsock_request_get_str: the Host it asked for. */
#define WSOCK_REQUEST_HOST 5
/** wsock_request_get_str: the Origin, the web page's site. */
#define WSOCK_REQUEST_ORIGIN 6
/** wsock_request_get_str: address and port of who asks, as WSOCK_CONN_PEER_ADDRESS. */
#define WSOCK_REQUEST_PEER_ADDRESS 7
/** wsock_request_get_str: the subject of the client's certificate, as WSOCK_CONN_PEER_SUBJECT. */
#define WSOCK_REQUEST_PEER_SUBJECT 8
/** wsock_request_get_str: the host name that the client's TLS asked for (SNI). */
#define WSOCK_REQUEST_TLS_SERVER_NAME 9
/** What on_request returns to answer later, with wsock_request_answer. */
#define WSOCK_REQUEST_LATER (-1)

/**
 * 1 when the request asks for a WebSocket, 0 when it is plain HTTP, or an error.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD. Since: 0.1
 */
int32_t wsock_request_is_upgrade(const wsock_request *request);

/**
 * A text of the request; what is WSOCK_REQUEST_*. NUL-terminated; "" when there is none; NULL when the
 * handle or what is not valid. Its length goes to out_len, which may be NULL.
 *
 * Ownership: the library's; valid until on_request returns. Thread: loop. Since: 0.1
 */
const char *wsock_request_get_str(const wsock_request *request,
                                  int32_t what,
                                  size_t *out_len);

/**
 * The value of a header; index 0 is the first of that name, 1 the second ... Names are compared
 * without case. NULL when there is none.
 *
 * Ownership: the library's; valid until on_request returns. Thread: loop. Since: 0.1
 */
const char *wsock_request_header(const wsock_request *request,
                                 const char *name,
                                 size_t index,
                                 size_t *out_len);

/**
 * The value of a cookie that the client sent; NULL when there is none of that name.
 *
 * Ownership: the library's; valid until on_request returns. Thread: loop. Since: 0.1
 */
const char *wsock_request_cookie(const wsock_request *request, const char *name, size_t *out_len);

/**
 * The header line at index, in the order they came: to walk through all of them. LIMIT past the end.
 *
 * Ownership: the library's; valid until on_request returns. Thread: loop.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT, LIMIT. Since: 0.1
 */
wsock_status wsock_request_header_at(const wsock_request *request,
                                     size_t index,
                                     const char **out_name,
                                     const char **out_value);

/**
 * The subprotocol at index in the order that the client prefers; NULL past the end.
 *
 * Ownership: the library's; valid until on_request returns. Thread: loop. Since: 0.1
 */
const char *wsock_request_protocol_at(const wsock_request *request, size_t index);

/**
 * When the WebSocket is accepted, it is with this subprotocol, which must be one that the client
 * offered, in place of the one that wsock_options_add_protocol would give. NULL: with none.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (not offered), STATE
 * (plain HTTP). Since: 0.1
 */
wsock_status wsock_request_select_protocol(wsock_request *request,
                                           const char *protocol);

/**
 * Adds a header to the answer, whichever it will be: 101 (a cookie, say) or the status you return.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_request_add_header(wsock_request *request, const char *name, const char *value);

/**
 * Sets the body of the answer, for a status that you return. content_type may be NULL.
 *
 * Ownership: data is copied. Thread: loop.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT. Since: 0.1
 */
wsock_status wsock_request_set_body(wsock_request *request,
                                    const char *content_type,
                                    const void *data,
                                    size_t len);

/**
 * Answers a request for which on_request has returned WSOCK_REQUEST_LATER, or that came as an event: 0
 * goes on, 200 to 599 is the status, as on_request returns them. Every such request has to be answered;
 * who has waited longer than WSOCK_OPT_HANDSHAKE_TIMEOUT_MS by then has been hung up on. The request handle
 * ends with this call. Nothing is told from inside it: on_open comes from the loop.
 *
 * Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (no such status), STATE (who asked
 * has gone). Since: 0.1
 */
wsock_status wsock_request_answer(wsock_request *request,
                                  int32_t status);

/* ---- Looking inside -------------------------------------------------------------------------- */

/**
 * Buckets of a histogram. Bucket n counts times of at most 2^n microseconds that the bucket before does
 * not count; the last counts all that are longer than 2^24 microseconds, which is almost 17 seconds.
 */
#define WSOCK_HISTOGRAM_BUCKETS 26

/** Log level: something is broken and needs a person. */
#define WSOCK_LOG_ERROR 1
/** Log level: something went wrong; connections that fail are told here, with their traces. */
#define WSOCK_LOG_WARN 2
/** Log level: who comes and goes, refusals, servers that begin and end, attempts that follow. */
#define WSOCK_LOG_INFO 3
/** Log level: every address that is tried, what TLS came to. */
#define WSOCK_LOG_DEBUG 4
/** Log level: every turn of the loop. */
#define WSOCK_LOG_TRACE 5

/** Figures of one loop. What ended connections contributed stays in all sums. */
typedef struct {
  /** Set this to sizeof(wsock_loop_stats) before the call. */
  size_t struct_size;
  /** Connections that are open or closing now, of clients and of servers. */
  uint64_t connections;
  /** Clients that are connecting now, or waiting for their next attempt. */
  uint64_t connecting;
  /** Servers that have not ended. */
  uint64_t servers;
  /** Connections that were open at some time. */
  uint64_t opened;
  /** Of these, those that have ended. */
  uint64_t closed;
  /** Attempts of clients that ended without a connection. */
  uint64_t connect_failures;
  /** Attempts of clients after the first (WSOCK_OPT_RECONNECT). */
  uint64_t connect_retries;
  /** Turns: each wait and what was done after it. */
  uint64_t turns;
  /** Events that the operating system reported. */
  uint64_t events;
  /** Calls to your functions, those of wsock_loop_set_log not counted, and events of wsock_loop_events. */
  uint64_t callbacks;
  /** Sends, closes and posts of other threads. */
  uint64_t requests;
  /** Times that another thread woke the loop; many requests may come with one. */
  uint64_t wakeups;
  /** Deadlines that came. */
  uint64_t timers;
  /** Messages received. */
  uint64_t messages_received;
  /** Messages sent. */
  uint64_t messages_sent;
  /** Bytes received on the wire, frame headers included, handshakes and TLS not. */
  uint64_t bytes_received;
  /** Bytes handed to the operating system, frame headers included, handshakes and TLS not. */
  uint64_t bytes_sent;
  /** Bytes of messages received, after inflating. */
  uint64_t payload_received;
  /** Bytes of messages sent, before deflating. */
  uint64_t payload_sent;
  /** Pings received. */
  uint64_t pings_received;
  /** Pongs received. */
  uint64_t pongs_received;
  /** Messages to send that were dropped: by a policy for full queues, or for a newer one. */
  uint64_t messages_dropped;
  /** Bytes of these messages. */
  uint64_t bytes_dropped;
  /** Log records that were dropped because the log did not keep up. */
  uint64_t log_dropped;
  /**
   * Loop lag: from the end of each wait to the end of the turn that follows, so how long a socket that
   * became ready meanwhile had to wait. Long times mean callbacks that take long, or a machine that is
   * too small. With wsock_loop_start it is that of the library's thread, which your callbacks do not hold
   * up.
   */
  uint64_t lag_count;
  /** All of them together, in microseconds. */
  uint64_t lag_sum_us;
  /** The longest. */
  uint64_t lag_max_us;
  /** See WSOCK_HISTOGRAM_BUCKETS. */
  uint64_t lag_buckets[WSOCK_HISTOGRAM_BUCKETS];
  /** Time in each of your callbacks, while wsock_loop_measure is on. */
  uint64_t callback_count;
  /** All of them together, in microseconds. */
  uint64_t callback_sum_us;
  /** The longest. */
  uint64_t callback_max_us;
  /** See WSOCK_HISTOGRAM_BUCKETS. */
  uint64_t callback_buckets[WSOCK_HISTOGRAM_BUCKETS];
  /** Round-trip times of answered pings, yours and those of the library's keepalive. */
  uint64_t rtt_count;
  /** All of them together, in microseconds. */
  uint64_t rtt_sum_us;
  /** The longest. */
  uint64_t rtt_max_us;
  /** See WSOCK_HISTOGRAM_BUCKETS. */
  uint64_t rtt_buckets[WSOCK_HISTOGRAM_BUCKETS];
} wsock_loop_stats;

/**
 * Copies the loop's figures to out_stats. Set out_stats->struct_size first.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT, POISONED. Since: 0.1
 */
wsock_status wsock_loop_get_stats(wsock_loop *loop,
                                  wsock_loop_stats *out_stats);

/**
 * All figures of the loop and of its servers as Prometheus reads them (text exposition format 0.0.4):
 * answer a request for /metrics with it, as `text/plain; version=0.0.4`. NUL-terminated; its length
 * goes to out_len, which may be NULL. docs/monitoring.md says what each figure means.
 *
 * Ownership: the library's; valid until the next call for this loop. Thread: loop.
 * Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (out_text is NULL), POISONED.
 * Since: 0.1
 */
wsock_status wsock_loop_metrics(wsock_loop *loop,
                                const char **out_text,
                                size_t *out_len);

/**
 * Begins (on 1) or ends (0) measuring how long each callback takes, for wsock_loop_stats and
 * wsock_loop_metrics. It costs two looks at the clock for each callback, so it is off at first. What was
 * measured stays.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
 */
wsock_status wsock_loop_measure(wsock_loop *loop,
                                int32_t on);

/**
 * The last frames that went over a connection, as many as WSOCK_OPT_TRACE_FRAMES says, a line for each,
 * the oldest first:
 *
 * `+0.001234 > TEXT fin len=5`
 * `+0.001999 < CLOSE fin masked len=2 code=1000`
 *
 * The time is in seconds from the end of the handshake on; `>` was queued by this side, `<` was received;
 * then come fin, rsv1 (compressed) and masked when they are set, and the length of the payload on the
 * wire. What was in it is not kept, but for the code of close frames. In on_error and on_close, and while a
 * client waits for its next attempt, these are the frames of the connection that has ended. The text is
 * NUL-terminated; its length goes to out_len, which may be NULL.
 *
 * Ownership: the library's; valid until the next call for this connection, or until on_close returns.
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, STATE (WSOCK_OPT_TRACE_FRAMES is 0),
 * INVALID_ARGUMENT (out_text is NULL), POISONED. Since: 0.1
 */
wsock_status wsock_conn_trace(wsock_conn *conn,
                              const char **out_text,
                              size_t *out_len);

/**
 * Has log(loop, level, target, message, user_data) called for what happens in the loop, up to level
 * (WSOCK_LOG_*). target says what it is about: "server", "handshake", "tls", "dial", "conn", "frames" or
 * "loop". message is one line of UTF-8 without a line end; both are valid until log returns. Passwords,
 * cookies, the queries of URLs and what messages say are never in it. What it says may change with any
 * version: it is for people.
 *
 * log is called as callbacks are: from inside run, poll or events, one at a time, and it may call every
 * function. Records wait until then, at most about a thousand; more are dropped, counted and told. level
 * 0, or log NULL, turns it off: user_data and release are ignored then. release may be NULL; it is called
 * exactly once, when log will not be given this user data again, but not when this call is refused.
 *
 * Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (no such level),
 * POISONED. Since: 0.1
 */
wsock_status wsock_loop_set_log(wsock_loop *loop,
                                int32_t level,
                                void (*log)(wsock_loop *loop,
                                            int32_t level,
                                            const char *target,
                                            const char *message,
                                            void *user_data),
                                void *user_data,
                                void (*release)(void *user_data));

/* ---- Versions -------------------------------------------------------------------------------- */

/** Version of this header, which may be older than the library: wsock_version tells that one's. */
#define WSOCK_VERSION_MAJOR 0
/** Its second number. */
#define WSOCK_VERSION_MINOR 1
/** Its third number. */
#define WSOCK_VERSION_PATCH 0

/** wsock_features: wss:// and servers that speak TLS work. */
#define WSOCK_FEATURE_TLS 1
/** wsock_features: permessage-deflate works. */
#define WSOCK_FEATURE_DEFLATE 2

/**
 * The version of the library that is running, as major << 16 | minor << 8 | patch.
 *
 * Thread: any. Since: 0.1
 */
uint32_t wsock_version(void);

/**
 * The same as text, such as "0.1.0".
 *
 * Thread: any. Since: 0.1
 */
const char *wsock_version_string(void);

/**
 * The number in the name of the shared library, libwsock.so.N. Programs built for one N work with
 * every library of that N that is not older.
 *
 * Thread: any. Since: 0.1
 */
uint32_t wsock_abi_version(void);

/**
 * What this build can do: WSOCK_FEATURE_* bits. What is missing answers WSOCK_ERR_UNSUPPORTED.
 *
 * Thread: any. Since: 0.1
 */
uint64_t wsock_features(void);

#ifdef __cplusplus
}
#endif

#endif  /* WSOCK_H */
