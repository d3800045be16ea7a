"""Our client comes back: a server that is killed, one that is not there yet, one that says goodbye."""
import signal
import subprocess

from kit import WORK, C, Echo, Process, case, free_port, must, same, until


class Cat:
    """wscat --reconnect in a dialogue."""

    def __init__(self, *args):
        self.out, self.err = WORK / "cat.out", WORK / "cat.err"
        self.process = subprocess.Popen([C / "wscat", "--reconnect", *map(str, args)], stdin=subprocess.PIPE,
                                        stdout=open(self.out, "wb"), stderr=open(self.err, "wb"))

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hears(self, line):
        until(lambda: line in self.out.read_text().splitlines(), "%r comes back; so far: %s" % (line, self.err.read_text()))

    def connected(self, times):
        until(lambda: self.err.read_text().count("connected to ") >= times, "connection %d" % times, 20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


@case("reconnect: the server is killed and comes back")
def killed(lab):
    port = free_port()
    server = lab.python_process(port)
    with Cat("ws://127.0.0.1:%d/" % port) as cat:
        cat.say("before")
        cat.hears("before")
        for time in [2, 3]:
            server.stop(signal.SIGKILL)
            until(lambda: cat.err.read_text().count("attempt 1 in ") >= 1, "wscat tells of its attempts")
            server = lab.python_process(port, "python-%d" % time)
            cat.connected(time)
            cat.say("after %d" % time)
            cat.hears("after %d" % time)
        cat.process.stdin.close()
        same(cat.process.wait(timeout=10), 0)
    server.stop()
    must(r"^closed with 1000", cat.err.read_text())


@case("reconnect: the server is not there yet")
def late(lab):
    port = free_port()
    with Cat("ws://127.0.0.1:%d/" % port) as cat:
        until(lambda: "attempt 2 in " in cat.err.read_text(), "two attempts")
        must("refused", cat.err.read_text())
        with lab.python_process(port):
            cat.connected(1)
            cat.say("here")
            cat.hears("here")


@case("reconnect: over TLS and through a proxy")
def through(lab):
    port = free_port()
    proxy = "http://127.0.0.1:%d" % lab.tinyproxy.port
    with Echo("--port", port, *lab.pair("server")) as echo, Cat("--cacert", lab.ca, "--proxy", proxy, echo.url) as cat:
        cat.connected(1)
        same(echo.stop(), 0)  # says 1001
        until(lambda: "the proxy refused to connect with 500" in cat.err.read_text(), "the proxy finds nobody")
        with Echo("--port", port, *lab.pair("rsa")):
            cat.connected(2)
            cat.say("here")
            cat.hears("here")


@case("reconnect: not after the server's 1000; Ctrl-C ends the waiting")
def ends(lab):
    port = free_port()
    code = ("from websockets.sync.server import serve\n"
            "serve(lambda ws: ws.close(1000, 'enough'), '127.0.0.1', %d).serve_forever()" % port)
    with Process("goodbye", lab.python, "-c", code, ports=[port]), Cat("ws://127.0.0.1:%d/" % port) as cat:
        same(cat.process.wait(timeout=10), 0)
        must("closed with 1000 by the server: enough", cat.err.read_text())
    with Cat("ws://127.0.0.1:%d/" % port) as cat:
        until(lambda: "attempt 2 in " in cat.err.read_text(), "two attempts")
        cat.process.send_signal(signal.SIGINT)
        same(cat.process.wait(timeout=5), 1)
