"""Everything that the cases talk to. Each part starts when a case first asks for it and lives until the end."""
import functools
import http
import json
import os
import pathlib
import ssl
import sys
import threading

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.sync.server import serve

import certs
import configs
from kit import HOME, PASSWORD, USER, WORK, Echo, Process, free_port, program

HERE = pathlib.Path(__file__).resolve().parent
NODE = {**os.environ, "NODE_PATH": str(HOME / "node" / "node_modules")}

PEER = """
import sys
from websockets.sync.server import serve
def echo(ws):
    for message in ws:
        ws.send(message)
serve(echo, "127.0.0.1", int(sys.argv[1])).serve_forever()
"""


def facts(ws):
    """What a server sees of its client, as JSON."""
    tls = isinstance(ws.socket, ssl.SSLSocket)
    subject = tls and (ws.socket.getpeercert() or {}).get("subject", ())
    return json.dumps({"peer": ws.remote_address[0], "path": ws.request.path,
                       "headers": dict(ws.request.headers.raw_items()), "tls": ws.socket.version() if tls else "",
                       "subject": [value for part in subject or () for _, value in part]})


class PythonServer:
    """The Python library websockets: echoes, except that "who?" is answered with facts(). answer(request) may
    return an HTTP response in place of the WebSocket; cookies are set when there is none."""

    def __init__(self, context=None, answer=None, cookies=()):
        def talk(ws):
            try:
                for message in ws:
                    ws.send(facts(ws) if message == "who?" else message)
            except (ConnectionClosed, OSError):
                pass

        def bake(_ws, _request, accepted):
            for cookie in cookies:
                accepted.headers["Set-Cookie"] = cookie
        hook = answer and (lambda _, request: answer(request))
        self.server = serve(talk, "127.0.0.1", 0, ssl=context, process_request=hook, process_response=bake)
        self.port = self.server.socket.getsockname()[1]
        self.host = "127.0.0.1:%d" % self.port
        self.url = "%s://%s/" % ("wss" if context else "ws", self.host)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def response(status, body="", **headers):
    """headers: names with _ for -; a list of values makes several lines."""
    lines = Headers([("Content-Length", str(len(body.encode())))])
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [values]:
            lines[name.replace("_", "-")] = value
    return Response(int(status), http.HTTPStatus(int(status)).phrase, lines, body.encode())


shared = functools.cached_property  # started once


class Lab:
    def __init__(self):
        self.certs = certs.make(HOME / "certs")
        self.ca = self.certs / "ca.pem"
        self.python = sys.executable
        self.tls = {}

    def pair(self, name):
        """Switches of echo_server for a certificate."""
        return "--cert", self.certs / (name + ".pem"), "--key", self.certs / (name + ".key")

    def context(self, name="server", client_ca=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certs / (name + ".pem"), self.certs / (name + ".key"))
        if client_ca:
            context.load_verify_locations(self.certs / (client_ca + ".pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def python_wss(self, name="server", client_ca=None):
        if (name, client_ca) not in self.tls:
            self.tls[name, client_ca] = PythonServer(self.context(name, client_ca))
        return self.tls[name, client_ca]

    @shared
    def python_ws(self):
        return PythonServer()

    def python_process(self, port, name="python"):
        """A server that can be killed."""
        return Process(name, self.python, "-c", PEER, str(port), ports=[port])

    def node_server(self, name, **options):
        settings = {key: str(value) for key, value in options.items()}
        server = Process("node-" + name, program("node"), HERE / "node_peer.js", "server", json.dumps(settings), env=NODE)
        server.port = int(server.wait_for(r"^port (\d+)$").group(1))
        return server

    @shared
    def node_ws(self):
        return self.node_server("ws")

    @shared
    def node_wss(self):
        return self.node_server("wss", cert=self.certs / "server.pem", key=self.certs / "server.key")

    # ---- ours

    @shared
    def echo(self):
        return Echo("--deflate")

    @shared
    def echo_tls(self):
        return Echo(*self.pair("server"))

    @shared
    def echo_chained(self):
        return Echo(*self.pair("chained"))

    @shared
    def echo_rsa(self):
        return Echo(*self.pair("rsa"))

    @shared
    def echo_mutual(self):
        return Echo(*self.pair("server"), "--client-ca", self.certs / "client_ca.pem")

    @shared
    def echo_unix(self):
        return Echo("--unix", WORK / "echo.sock")

    @shared
    def echo_proxied(self):
        return Echo("--proxy-protocol", "127.0.0.0/8")

    @shared
    def echo_tls_proxied(self):
        return Echo("--proxy-protocol", "127.0.0.1", *self.pair("server"))

    @shared
    def echo_unix_proxied(self):
        return Echo("--proxy-protocol", "unix", "--unix", WORK / "proxied.sock")

    # ---- foreign servers and proxies

    @shared
    def nginx(self):
        ports = {name: free_port() for name in ["plain", "tls", "tls12", "mutual", "broken"]}
        config = configs.nginx(self, ports)
        process = Process("nginx", program("nginx"), "-e", "stderr", "-p", WORK, "-c", config, ports=ports.values())
        process.ports = ports
        return process

    @shared
    def haproxy(self):
        names = ["plain", "tls", "v1", "v2", "tls_v2", "to_tls", "unix_v2", "tls_to_proxy"]
        ports = {name: free_port() for name in names}
        process = Process("haproxy", program("haproxy"), "-db", "-f", configs.haproxy(self, ports), ports=ports.values())
        process.ports = ports
        return process

    @shared
    def apache(self):
        port = free_port()
        process = Process("apache", program("apache2"), "-DFOREGROUND", "-f", configs.apache(self, port), ports=[port])
        process.port = port
        return process

    @shared
    def squid(self):
        ports = {name: free_port() for name in ["open", "protected", "tls"]}
        process = Process("squid", program("squid"), "-N", "-f", configs.squid(self, ports), ports=ports.values())
        process.ports = ports
        return process

    @shared
    def tinyproxy(self):
        return self.one_tinyproxy("tinyproxy", "")

    @shared
    def tinyproxy_protected(self):
        return self.one_tinyproxy("tinyproxy-protected", "BasicAuth anna plain\n")  # takes no /

    def one_tinyproxy(self, name, more):
        port = free_port()
        config = configs.tinyproxy(name, port, more)
        process = Process(name, program("tinyproxy"), "-d", "-c", config, ports=[port])
        process.port = port
        return process

    @shared
    def socks(self):
        port = free_port()
        process = Process("socks", program("microsocks"), "-i", "127.0.0.1", "-p", str(port), "-b", "127.0.0.7",
                          ports=[port])
        process.port = port
        return process

    @shared
    def socks_protected(self):
        port = free_port()
        process = Process("socks-protected", program("microsocks"), "-i", "127.0.0.1", "-p", str(port), "-b", "127.0.0.8",
                          "-u", USER, "-P", PASSWORD, ports=[port])
        process.port = port
        return process
