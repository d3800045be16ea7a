"""Our server with TLS: clients of others, and what it says to those it does not let in."""
import json
import os
import shutil
import signal
import socket
import ssl

from websockets.sync.client import connect

from kit import WORK, C, Echo, Skip, case, cases, echoes, must, program, refused, run, same, until
from lab import HERE, NODE

UPGRADE = ("GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
SERVERS = [("EC", "echo_tls"), ("RSA", "echo_rsa"), ("intermediate", "echo_chained")]


def trusting(lab, certificate=None):
    context = ssl.create_default_context(cafile=str(lab.ca))
    if certificate:
        context.load_cert_chain(lab.certs / (certificate + ".both.pem"))
    return context


def python_echo(url, context):
    with connect(url, ssl=context) as ws:
        ws.send("Grüße")
        same(ws.recv(), "Grüße")
        return ws.socket.version()


def curl(lab, echo, *args):
    return run(program("curl"), "-sS", "-i", "--http1.1", "--max-time", "3", "--cacert", lab.ca, *args,
               "https://localhost:%d/chat" % echo.port)


@cases("TLS server, curl", SERVERS)
def curl_get(lab, which):
    _, out, err = curl(lab, getattr(lab, which))
    must(r"^HTTP/1\.1 426 ", out + err)


@case("TLS server: curl shakes hands")
def curl_upgrade(lab):
    headers = [part for line in UPGRADE.split("\r\n")[2:-2] for part in ("-H", line)]
    _, out, _ = curl(lab, lab.echo_tls, *headers)
    must(r"^HTTP/1\.1 101 ", out)
    must(ACCEPT.replace("+", r"\+"), out)


@case("TLS server: curl's own wss://")
def curl_websocket(lab):
    _, version, _ = run(program("curl"), "-V")
    if " wss" not in version:
        raise Skip("this curl has no wss")
    _, out, err = run(program("curl"), "-sS", "-v", "--no-buffer", "--max-time", "2", "--cacert", lab.ca, lab.echo_tls.url)
    must("101 Switching", out + err)


@cases("TLS server, openssl s_client", [("TLS 1.2", "-tls1_2"), ("TLS 1.3", "-tls1_3")])
def s_client(lab, version):
    _, out, err = run(program("openssl"), "s_client", "-connect", "localhost:%d" % lab.echo_tls.port, version,
                      "-CAfile", lab.ca, "-verify_return_error", "-servername", "localhost", "-alpn", "http/1.1",
                      "-ign_eof", stdin=UPGRADE.encode() + b"\x88\x80abcd")  # and a close frame
    must(r"^HTTP/1\.1 101 ", out + err)
    must("Verify return code: 0", out)
    must("ALPN protocol: http/1.1", out)
    must(ACCEPT.replace("+", r"\+"), out)


@case("TLS server: openssl s_client with TLS 1.1 is refused")
def s_client_old(lab):
    status, out, err = run(program("openssl"), "s_client", "-connect", "localhost:%d" % lab.echo_tls.port, "-tls1_1",
                           "-cipher", "ALL:@SECLEVEL=0")
    must("alert (protocol version|handshake failure)", out + err)
    same(status != 0, True)


@case("TLS server: openssl s_client with HTTP/2 alone is refused (ALPN)")
def s_client_alpn(lab):
    _, out, err = run(program("openssl"), "s_client", "-connect", "localhost:%d" % lab.echo_tls.port, "-alpn", "h2")
    must("alert no application protocol", out + err)


@cases("TLS server, openssl s_client resumes", [("TLS 1.2", "-tls1_2"), ("TLS 1.3", "-tls1_3")])
def resumption(lab, version):
    ticket = WORK / "ticket"
    ticket.unlink(missing_ok=True)

    def talk(*args):
        return run(program("openssl"), "s_client", "-connect", "localhost:%d" % lab.echo_tls.port, version, "-CAfile", lab.ca,
                   "-ign_eof", *args, stdin=UPGRADE.encode() + b"\x88\x80abcd")[1]
    must("^New, TLS", talk("-sess_out", ticket))
    again = talk("-sess_in", ticket)
    must("^Reused, TLS", again)
    must(r"^HTTP/1\.1 101 ", again)


@cases("TLS server, Python websockets", SERVERS)
def python(lab, which):
    same(python_echo("wss://localhost:%d/" % getattr(lab, which).port, trusting(lab)), "TLSv1.3")


@case("TLS server: Python websockets, large messages both ways")
def large(lab):
    with connect("wss://localhost:%d/" % lab.echo_tls.port, ssl=trusting(lab), max_size=None, compression=None) as ws:
        for size in [16383, 16384, 16385, 5_000_000]:
            message = bytes(range(256)) * (size // 256 + 1)
            ws.send(message)
            same(ws.recv() == message, True)


@cases("TLS server, Node ws", SERVERS)
def node(lab, which):
    status, out, err = node_ask(lab, "wss://localhost:%d/" % getattr(lab, which).port)
    same((status, out, err), (0, "Grüße\n", "closed 1000\n"))


def node_ask(lab, url, **more):
    options = json.dumps({"ca": str(lab.ca), **{name: str(value) for name, value in more.items()}})
    return run(program("node"), HERE / "node_peer.js", "client", url, "Grüße", options, env=NODE)


@case("TLS server, IPv6: the address is in the certificate")
def ipv6(lab):
    if not os.path.exists("/proc/net/if_inet6"):
        raise Skip("this machine has no IPv6")
    with Echo("--host", "::1", *lab.pair("server")) as echo:
        must(r"^connected to wss://\[::1\]", echoes("--cacert", lab.ca, echo.url))
        same(python_echo(echo.url, trusting(lab)), "TLSv1.3")


# ---- client certificates

@case("TLS server, client certificate: Python, Node and curl have one")
def mutual(lab):
    url = "wss://localhost:%d/" % lab.echo_mutual.port
    python_echo(url, trusting(lab, "client"))
    lab.echo_mutual.wait_for("^open .* TLSv1.3 .*wsock test client$")
    python_echo(url, trusting(lab, "client_rsa"))
    lab.echo_mutual.wait_for("^open .*wsock test client_rsa$")
    status, out, err = node_ask(lab, url, cert=lab.certs / "client.pem", key=lab.certs / "client.key")
    same((status, out), (0, "Grüße\n"))
    _, out, err = curl(lab, lab.echo_mutual, "--cert", lab.certs / "client.both.pem")
    must(r"^HTTP/1\.1 426 ", out + err)


@cases("TLS server, client certificate, who is not let in", [
    ("nobody's", [], "alert certificate required"), ("a stranger's", ["stranger"], "alert (unknown ca|bad certificate)"),
    ("an old one", ["client_expired"], "alert certificate expired"),
    ("a server's", ["server"], "alert (unknown ca|bad certificate|unsupported certificate)")])
def mutual_refused(lab, names, alert):
    args = [part for name in names for part in ("-cert", lab.certs / (name + ".pem"), "-key", lab.certs / (name + ".key"))]
    _, out, err = run(program("openssl"), "s_client", "-connect", "localhost:%d" % lab.echo_mutual.port, "-CAfile", lab.ca,
                      "-ign_eof", *args, stdin=UPGRADE.encode())
    must(alert, out + err)
    same("101 Switching" in out, False)


# ---- the wrong door

@case("TLS server: plain HTTP is answered 400, in plain")
def plain(lab):
    with socket.create_connection(("127.0.0.1", lab.echo_tls.port), timeout=5) as sock:
        sock.sendall(UPGRADE.encode())
        answer = b""
        while chunk := sock.recv(4096):
            answer += chunk
    must(r"^HTTP/1\.1 400 ", answer.decode())
    must("TLS", answer.decode())


@case("TLS server: TLS to the plain port")
def tls_to_plain(lab):
    refused("not TLS: use ws://", "wss://127.0.0.1:%d/" % lab.echo.port)
    _, out, err = run(program("openssl"), "s_client", "-connect", "localhost:%d" % lab.echo.port)
    must("wrong version number|unexpected eof", out + err)


@case("TLS server: SIGHUP takes the new certificate, and a bad one changes nothing")
def renewal(lab):
    def put(name):
        for end in [".pem", ".key"]:
            shutil.copy(lab.certs / (name + end), WORK / ("live" + end))

    def subject():
        with socket.create_connection(("localhost", echo.port), timeout=5) as sock:
            with trusting(lab).wrap_socket(sock, server_hostname="localhost") as tls:
                return tls.getpeercert()["subject"][0][0][1]
    put("server")
    with Echo("--cert", WORK / "live.pem", "--key", WORK / "live.key") as echo:
        same(subject(), "wsock test server")
        with connect("wss://localhost:%d/" % echo.port, ssl=trusting(lab)) as ws:
            put("rsa")
            echo.process.send_signal(signal.SIGHUP)
            until(lambda: subject() == "wsock test rsa", "the new certificate is shown")
            (WORK / "live.pem").write_text("no certificate\n")
            echo.process.send_signal(signal.SIGHUP)
            echo.wait_for(r"live\.pem|stays as it was")
            same(subject(), "wsock test rsa")
            ws.send("still here")
            same(ws.recv(), "still here")
        same(echo.stop(), 0)


@case("TLS server: a key that is not the certificate's")
def wrong_key(lab):
    status, out, err = run(C / "echo_server", "--cert", lab.certs / "server.pem", "--key", lab.certs / "rsa.key")
    same((status, out), (1, ""))
    must("key", err)
