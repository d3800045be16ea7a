"""Clients and servers for threads."""
import os
import signal
import threading
import time

import pytest

import wsock
from conftest import script
from wsock.sync import connect, serve, unix_connect, unix_serve


def echo(ws):
    for message in ws:
        ws.send(message)


class serving:
    """A server that serves on a thread of its own."""

    def __init__(self, handler=echo, *args, **settings):
        self.server = serve(handler, "127.0.0.1", 0, **settings)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self.server

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.server._pump.free()


def test_messages():
    with serving(max_size=1 << 24) as server, connect(server.url, max_size=None) as ws:
        for data in ["text", b"binary", "", b"", "grüße" * 1000, bytes(1 << 24)]:
            ws.send(data)
            assert ws.recv(timeout=20) == data
        ws.send(["a", "b"])
        assert ws.recv() == "ab"
        ws.send(bytearray(b"x"), text=True)
        assert ws.recv() == "x"
        ws.send("x", text=False)
        assert ws.recv(decode=True) == "x"
        for bad in (1, None, {"a": 1}):
            with pytest.raises(TypeError):
                ws.send(bad)
        ws.send("one more")
        assert list(ws.recv_streaming()) == ["one more"]


def test_a_timeout_loses_nothing():
    with serving() as server, connect(server.url) as ws:
        for timeout in (0, 0.01, 0.1):
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                ws.recv(timeout=timeout)
            assert timeout <= time.monotonic() - began + 0.002
        ws.send("after")
        assert ws.recv(timeout=10) == "after"


def test_threads_send_and_receive_at_once():
    with serving() as server, connect(server.url) as ws:
        def send(mark):
            for number in range(500):
                ws.send(f"{mark} {number}")

        senders = [threading.Thread(target=send, args=(mark,)) for mark in range(4)]
        for sender in senders:
            sender.start()
        got = [ws.recv(timeout=20).split() for _ in range(2000)]
        for sender in senders:
            sender.join()
        for mark in range(4):
            assert [int(number) for it, number in got if it == str(mark)] == list(range(500))


def test_two_threads_cannot_receive_at_once():
    with serving() as server, connect(server.url) as ws:
        got = []
        thread = threading.Thread(target=lambda: got.append(ws.recv()))
        thread.start()
        while not ws._turn.locked():
            time.sleep(0.001)
        with pytest.raises(wsock.ConcurrencyError):
            ws.recv()
        ws.send("for the first")
        thread.join(10)
        assert got == ["for the first"]


def test_close():
    ended = []

    def handler(ws):
        ended.append(list(ws))

    with serving(handler) as server:
        with connect(server.url) as ws:
            ws.send("a")
            ws.close(1000, "done")
            assert (ws.close_code, ws.close_reason) == (1000, "")
            with pytest.raises(wsock.ConnectionClosedOK):
                ws.recv()
            with pytest.raises(wsock.ConnectionClosedOK):
                ws.send("late")
    assert ended == [["a"]]


def test_a_handler_that_fails(caplog):
    def handler(ws):
        raise LookupError("in the handler")

    with serving(handler) as server, connect(server.url) as ws:
        with pytest.raises(wsock.ConnectionClosedError) as caught:
            ws.recv()
        assert caught.value.rcvd.code == 1011
    assert "in the handler" in caplog.text


def test_shutdown_ends_connections():
    with serving() as server:
        ws = connect(server.url)
        server.shutdown()
        with pytest.raises(wsock.ConnectionClosedOK):
            ws.recv()
        assert ws.close_code == 1001
        ws.close()


def test_ping():
    with serving() as server, connect(server.url) as ws:
        pong = ws.ping()
        assert pong.wait(10) and 0 < ws.latency < 10
        with pytest.raises(ValueError):
            ws.ping(b"x" * 126)


def test_pings_are_answered_while_nobody_waits():
    with serving(lambda ws: ws.send("ok") or time.sleep(2), ping_interval=0.1, ping_timeout=0.8) as server:
        with connect(server.url) as ws:
            time.sleep(1.5)
            assert ws.recv() == "ok"
            assert ws.state is wsock.State.OPEN


def test_sending_waits_while_the_peer_does_not_read():
    reading = threading.Event()

    def slow(ws):
        reading.wait(20)
        for _ in ws:
            pass

    with serving(slow, max_queue=1) as server, connect(server.url, compression=None) as ws:
        sent = []

        def send():
            for number in range(400):
                ws.send(bytes(100_000))
                sent.append(number)

        thread = threading.Thread(target=send)
        thread.start()
        time.sleep(0.5)
        stuck = len(sent)
        time.sleep(0.1)
        assert len(sent) == stuck < 400
        reading.set()
        thread.join(20)
        assert len(sent) == 400


def test_process_request_and_subprotocols():
    def decide(ws, request):
        return ws.respond(403, "no\n") if request.path == "/no" else None

    with serving(process_request=decide, subprotocols=["v1"]) as server:
        with connect(server.url, subprotocols=["v1"]) as ws:
            assert ws.subprotocol == "v1" and ws.response.status_code == 101
        with pytest.raises(wsock.InvalidStatus) as caught:
            connect(server.url + "no")
        assert caught.value.response.status_code == 403


def test_failures():
    with pytest.raises(ConnectionRefusedError):
        connect("ws://127.0.0.1:1/")
    with pytest.raises(wsock.InvalidURI):
        connect("ftp://x/")


def test_unix_socket(tmp_path):
    path = str(tmp_path / "socket")
    server = unix_serve(echo, path)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with unix_connect(path) as ws:
        ws.send("over a file")
        assert ws.recv(timeout=10) == "over a file"
    server.shutdown()
    thread.join(10)
    server._pump.free()


def test_ctrl_c_ends_a_wait_at_once():
    with serving() as server, connect(server.url) as ws:
        times = []
        for _ in range(5):
            def interrupt():
                times.append(time.monotonic())
                os.kill(os.getpid(), signal.SIGINT)

            timer = threading.Timer(0.05, interrupt)
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                ws.recv()
            times.append(time.monotonic())
            timer.join()
        ws.send("still here")
        assert ws.recv(timeout=10) == "still here"


def test_a_connection_that_is_forgotten_is_closed_with_a_warning():
    code, out = script("""
import gc, threading, warnings, wsock
from wsock.sync import connect, serve
gone = threading.Event()
def handler(ws):
    try:
        ws.recv()
    except wsock.ConnectionClosed:
        gone.set()
server = serve(handler, "127.0.0.1", 0)
threading.Thread(target=server.serve_forever, daemon=True).start()
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    ws = connect(server.url)
    del ws
    gc.collect()
    print([str(it.category.__name__) for it in seen])
print(gone.wait(10))
""")
    assert code == 0 and out == "['ResourceWarning']\nTrue\n", out


def test_what_is_sent_after_a_wait_leaves_at_once():
    got = []

    def handler(ws):
        ws.send("first")
        for message in ws:
            got.append(message)

    with serving(handler) as server, connect(server.url) as ws:
        assert ws.recv() == "first"
        for number in range(3):
            ws.send(str(number))
            until = time.monotonic() + 10
            while len(got) <= number and time.monotonic() < until:
                time.sleep(0.005)
            assert got[-1:] == [str(number)]
        ws.ping()


def test_somebody_always_takes_events():
    def handler(ws):
        time.sleep(0.6)
        ws.send("at last")

    with serving(handler, ping_interval=None) as server, connect(server.url, ping_interval=None) as ws:
        got = []

        def leader():
            try:
                ws.recv(timeout=0.3)
            except TimeoutError:
                got.append(ws.recv(timeout=10))

        def waiter(timeout):
            ws._pump.wait(ws._changed, lambda: bool(ws._closed or got), timeout)

        threads = [threading.Thread(target=leader)] + [threading.Thread(target=waiter, args=(it,)) for it in (0.1, 0.2, None)]
        for thread in threads:
            thread.start()
        threads[0].join(10)
        assert got == ["at last"]
        ws.close()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


def test_long_timeouts():
    with serving() as server, connect(server.url) as ws:
        for timeout in (86400 * 365, 1e9, float("inf")):
            ws.send("x")
            assert ws.recv(timeout=timeout) == "x"


def test_shutdown_waits_for_slow_handlers():
    ended = []

    def handler(ws):
        try:
            ws.recv()
        finally:
            time.sleep(0.2)
            ended.append(ws)

    for _ in range(3):
        with serving(handler) as server:
            clients = [connect(server.url) for _ in range(3)]
        assert len(ended) == 3
        ended.clear()
        for ws in clients:
            ws.close()


def test_shutdown_in_a_signal_handler():
    code, out = script("""
import os, signal, threading
from wsock.sync import connect, serve
def echo(ws):
    for message in ws:
        ws.send(message)
server = serve(echo, "127.0.0.1", 0)
signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
def client():
    with connect(server.url) as ws:
        ws.send("hello")
        print(ws.recv(), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        list(ws)
thread = threading.Thread(target=client)
thread.start()
with server:
    server.serve_forever()
thread.join()
print("over")
""")
    assert code == 0 and out == "hello\nover\n", out


def test_ctrl_c_while_serving():
    code, out = script("""
import os, signal, threading, time
from wsock.sync import connect, serve
def slow(ws):
    try:
        ws.recv()
    finally:
        time.sleep(0.2)
def client():
    with connect(server.url) as ws:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        list(ws)
try:
    with serve(slow, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=client)
        thread.start()
        server.serve_forever()
except KeyboardInterrupt:
    thread.join()
    print("over")
""")
    assert code == 0 and out == "over\n", out


def test_a_coroutine_cannot_decide_here(caplog):
    async def decide(ws, request):
        return None

    with serving(process_request=decide) as server:
        with pytest.raises(wsock.InvalidStatus) as caught:
            connect(server.url)
        assert caught.value.response.status_code == 500
    assert "coroutine function" in caplog.text


def test_no_thread_for_a_connection(monkeypatch, caplog):
    with serving() as server:
        start = threading.Thread.start

        def refuse(thread):
            if thread.name == "wsock.server":
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(wsock.InvalidStatus) as caught:
            connect(server.url)
        assert caught.value.response.status_code == 503
        monkeypatch.undo()
        with connect(server.url) as ws:
            ws.send("still there")
            assert ws.recv() == "still there"


def test_topics():
    with wsock.Hub() as hub:
        def handler(ws):
            for topic in ws:
                hub.subscribe(ws, topic)
                hub.publish("joined", topic)

        with serving(handler) as server, connect(server.url) as first, connect(server.url) as second:
            for ws, topic in ((first, "joined"), (second, "*")):
                ws.send(topic)
                assert ws.recv(timeout=10) == topic
            hub.publish("other", b"for the second")
            assert first.recv(timeout=10) == "*" and second.recv(timeout=10) == b"for the second"
            hub.publish("kept", "value", keep=True)
            assert second.recv(timeout=10) == "value"
            first.send("kept")
            assert first.recv(timeout=10) == "value"


def test_streaming():
    text = "grüße, мир! " * 150_000
    settings = {"max_size": None, "streaming": True}
    with serving(**settings) as server, connect(server.url, compression=None, **settings) as ws:
        for message in (text, text.encode(), "short", b""):
            ws.send(message)
            parts = list(ws.recv_streaming())
            assert all(type(part) is type(message) for part in parts)
            assert (len(parts) > 1) == (len(message) > 100_000)
            assert (b"" if isinstance(message, bytes) else "").join(parts) == message
            ws.send(message)
            assert ws.recv(timeout=20) == message
        ws.send([b"x" * 300_000] * 10)
        for part in ws.recv_streaming():
            break
        ws.send("next")
        assert ws.recv(timeout=20) == "next"


def test_streaming_holds_the_peer_back():
    sent = []

    def handler(ws):
        ws.send(sent.append(number) or bytes(100_000) for number in range(1000))
        ws.send("after it")

    with serving(handler) as server:
        with connect(server.url, max_size=None, streaming=True, max_queue=4, compression=None) as ws:
            received = 0
            for part in ws.recv_streaming():
                received += len(part)
                if received < 1_000_000:
                    time.sleep(0.05)
                    assert len(sent) < 1000
            assert received == 100_000_000
            assert ws.recv() == "after it"
