/* Glue between Python and libwsock, for speed: builtin functions in place of calls through ctypes.
 *
 * It is linked with neither. Python hands it addresses: of functions of its own, from ctypes.pythonapi, and of libwsock's. So one
 * binary serves every CPython, and where an address is missing the package does without (see wsock/_glue.py).
 *
 * All of it runs with Python's lock held, or where there is none, on the one thread that a loop belongs to.
 */
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

typedef void PyObject;
typedef intptr_t Py_ssize_t;

/* wsock.h */
enum { TEXT = 1, BINARY = 2, WHOLE = 3, ERR_INTERRUPTED = -9 };
typedef struct {
    uint64_t object, user, data, len;
    uint32_t type, code;
} wsock_event;

/* In the order of _glue.py. */
typedef struct {
    PyObject *(*Bytes_FromStringAndSize)(const char *, Py_ssize_t);
    int (*Bytes_AsStringAndSize)(PyObject *, char **, Py_ssize_t *);
    PyObject *(*Unicode_DecodeUTF8)(const char *, Py_ssize_t, const char *);
    const char *(*Unicode_AsUTF8AndSize)(PyObject *, Py_ssize_t *);
    PyObject *(*Long_FromLongLong)(long long);
    long (*Long_AsLong)(PyObject *);
    void *(*Long_AsVoidPtr)(PyObject *);
    PyObject *(*Tuple_GetItem)(PyObject *, Py_ssize_t);
    PyObject *(*CallFunctionObjArgs)(PyObject *, ...);
    PyObject *(*Object_Type)(PyObject *);
    void (*IncRef)(PyObject *);
    void (*DecRef)(PyObject *);
    void *(*SaveThread)(void);
    void (*RestoreThread)(void *);
    PyObject *(*CFunction_NewEx)(void *, PyObject *, PyObject *);
    /* Only exported from Python 3.9 on; NULL before. */
    PyObject *(*Vectorcall)(PyObject *, PyObject *const *, size_t, PyObject *);
    PyObject *none, *bytes_type, *str_type;
    int32_t (*events)(void *, int32_t);
    int32_t (*flush)(void *);
    int32_t (*send_text)(void *, const void *, size_t);
    int32_t (*send_binary)(void *, const void *, size_t);
} table;
static table py;

EXPORT size_t wsock_glue_bind(const table *given, size_t size) {
    if (size == sizeof py) py = *given;
    return sizeof py;
}

/* An engine's loop, on the C side. */
typedef struct {
    void *loop;
    wsock_event *array;
    /* called with what is no message for somebody known: (object, data, len, type, code) */
    PyObject *other;
    /* of the messages that were told last, as long as it was not called; a reference */
    PyObject *arrived;
    int32_t count, at;
    /* The one that takes is inside: what is sent now leaves when it is done. */
    int32_t telling;
    /* Flushing ends the batch, so that what is left of one to tell has to be told before. */
    int32_t flush_ends;
} engine;

/* The user word of a connection is the address of a tuple, and in the lowest bit whether text is to be decoded. Of the tuple:
   function(first, message) for each message, and arrived(), if it is not None, behind those that have come together. */
enum { FUNCTION = 0, FIRST = 1, ARRIVED = 2, DECODE = 1 };

static PyObject *call2(PyObject *callable, PyObject *first, PyObject *second) {
    PyObject *arguments[3] = {NULL, first, second};
    /* The room in front may be used by the callee: PY_VECTORCALL_ARGUMENTS_OFFSET. */
    if (py.Vectorcall) return py.Vectorcall(callable, arguments + 1, 2 | (size_t)1 << (8 * sizeof(size_t) - 1), NULL);
    return py.CallFunctionObjArgs(callable, first, second, NULL);
}

static PyObject *sink_of(const wsock_event *event) {
    int is_message = event->type <= BINARY && event->code == WHOLE;
    return is_message ? (PyObject *)(uintptr_t)(event->user & ~(uint64_t)DECODE) : NULL;
}

/* Messages of a sink are about to be told, or something else: before that, those that were told are said to be all. */
static int turn_to(engine *it, PyObject *sink) {
    PyObject *next = sink ? py.Tuple_GetItem(sink, ARRIVED) : py.none, *last = it->arrived, *told;
    if (next == py.none) next = NULL;
    if (next == last) return 1;
    it->arrived = next;
    if (next) py.IncRef(next);
    if (!last) return 1;
    told = py.CallFunctionObjArgs(last, NULL);
    py.DecRef(last);
    if (told) py.DecRef(told);
    return told != NULL;
}

static PyObject *tell_message(PyObject *sink, const wsock_event *event) {
    const char *data = (const char *)(uintptr_t)event->data;
    int is_text = event->type == TEXT && event->user & DECODE;
    PyObject *payload = is_text ? py.Unicode_DecodeUTF8(data, (Py_ssize_t)event->len, NULL)
                                : py.Bytes_FromStringAndSize(data, (Py_ssize_t)event->len), *told;
    if (!payload) return NULL;
    /* The call may end the connection, and with it what the sink is kept by. */
    py.IncRef(sink);
    told = call2(py.Tuple_GetItem(sink, FUNCTION), py.Tuple_GetItem(sink, FIRST), payload);
    py.DecRef(sink);
    py.DecRef(payload);
    return told;
}

static PyObject *tell_other(engine *it, const wsock_event *event) {
    uint64_t words[5] = {event->object, event->data, event->len, event->type, event->code};
    PyObject *arguments[5], *told = NULL;
    int made = 0;
    while (made < 5 && (arguments[made] = py.Long_FromLongLong((long long)words[made]))) made++;
    if (made == 5)
        told = py.CallFunctionObjArgs(it->other, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], NULL);
    while (made > 0) py.DecRef(arguments[--made]);
    return told;
}

/* Whether no exception came out of it. */
static int tell_next(engine *it) {
    const wsock_event *event = &it->array[it->at];
    PyObject *sink = sink_of(event), *told;
    if (!turn_to(it, sink)) return 0;
    it->at++;
    told = sink ? tell_message(sink, event) : tell_other(it, event);
    if (told) py.DecRef(told);
    return told != NULL;
}

/* Tells what the array holds, as far as no exception comes in between: the rest is told next time. */
static PyObject *tell(engine *it, int32_t answer) {
    int fine = 1;
    it->telling++;
    while (fine && it->at < it->count) fine = tell_next(it);
    fine = fine && turn_to(it, NULL);
    it->telling--;
    return fine ? py.Long_FromLongLong(answer) : NULL;
}

/* Fills the array when nothing is left of it. */
static int32_t fetch(engine *it, int32_t timeout_ms) {
    int32_t count;
    if (it->at < it->count) return it->count - it->at;
    if (timeout_ms == 0) {
        count = py.events(it->loop, 0);
    } else {
        void *thread = py.SaveThread();
        count = py.events(it->loop, timeout_ms);
        py.RestoreThread(thread);
    }
    it->at = 0;
    it->count = count > 0 ? count : 0;
    return count;
}

/* take(): tells what has happened up to now. Answers the number of events, or a status. */
static PyObject *take(PyObject *self, PyObject *unused) {
    engine *it = py.Long_AsVoidPtr(self);
    (void)unused;
    return tell(it, fetch(it, 0));
}

/* wait(milliseconds): waits for something to tell, with Python's lock let go. The answers are those of take. */
static PyObject *wait(PyObject *self, PyObject *timeout_ms) {
    return py.Long_FromLongLong(fetch(py.Long_AsVoidPtr(self), (int32_t)py.Long_AsLong(timeout_ms)));
}

/* tell_rest(): tells what wait has found. */
static PyObject *tell_rest(PyObject *self, PyObject *unused) {
    (void)unused;
    return tell(py.Long_AsVoidPtr(self), 0);
}

static int32_t flush_now(engine *it) {
    return it->flush_ends && it->at < it->count ? 0 : py.flush(it->loop);
}

/* flush(): what was sent leaves now. */
static PyObject *flush(PyObject *self, PyObject *unused) {
    (void)unused;
    return py.Long_FromLongLong(flush_now(py.Long_AsVoidPtr(self)));
}

/* Sends str as text and bytes as binary; NULL without an exception when it is neither. */
static int32_t send_either(void *conn, PyObject *data, int *known) {
    PyObject *type = py.Object_Type(data);
    Py_ssize_t len = 0;
    char *bytes = NULL;
    int32_t status = 0;
    *known = 1;
    if (type == py.bytes_type) {
        py.Bytes_AsStringAndSize(data, &bytes, &len);
        status = py.send_binary(conn, bytes, (size_t)len);
    } else if (type == py.str_type) {
        const char *text = py.Unicode_AsUTF8AndSize(data, &len);
        if (text) status = py.send_text(conn, text, (size_t)len);
        else *known = -1; /* with an exception: surrogates */
    } else {
        *known = 0;
    }
    py.DecRef(type);
    return status;
}

typedef struct {
    engine *it;
    void *conn;
} sender;

/* send(data) of one connection, whose self is a tuple: a sender, as the bytes that it is, and the function that does what this
   does not do: other kinds of data, and what is refused. Outside of take, what is sent leaves at once. */
static PyObject *send(PyObject *self, PyObject *data) {
    char *bytes = NULL;
    Py_ssize_t size;
    const sender *own;
    int known;
    int32_t status;
    py.Bytes_AsStringAndSize(py.Tuple_GetItem(self, 0), &bytes, &size);
    own = (const sender *)(const void *)bytes;
    status = send_either(own->conn, data, &known);
    if (known < 0) return NULL;
    if (!known || status < 0) return py.CallFunctionObjArgs(py.Tuple_GetItem(self, 1), data, NULL);
    if (!own->it->telling) flush_now(own->it);
    return py.Long_FromLongLong(status);
}

/* post(data) of one connection, whose self is its handle: the status, or None for other kinds of data. It leaves when the
   loop is flushed. */
static PyObject *post(PyObject *self, PyObject *data) {
    int known;
    int32_t status = send_either(py.Long_AsVoidPtr(self), data, &known);
    if (known < 0) return NULL;
    if (known) return py.Long_FromLongLong(status);
    py.IncRef(py.none);
    return py.none;
}

/* A PyMethodDef, which has been these four words for ever and is part of the stable ABI. */
typedef struct {
    const char *name;
    PyObject *(*function)(PyObject *, PyObject *);
    int flags;
    const char *doc;
} method;
enum { METH_NOARGS = 4, METH_O = 8 };
static method methods[] = {
    {"take", take, METH_NOARGS, NULL},
    {"wait", wait, METH_O, NULL},
    {"tell", tell_rest, METH_NOARGS, NULL},
    {"flush", flush, METH_NOARGS, NULL},
    {"send", send, METH_O, NULL},
    {"post", post, METH_O, NULL},
};

/* A builtin, bound to self. */
EXPORT PyObject *wsock_glue_function(int which, PyObject *self) { return py.CFunction_NewEx(&methods[which], self, NULL); }
