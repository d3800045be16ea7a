"""nginx, HAProxy and Apache in front of our server: they end TLS, speak TLS to us, and say who the client is."""
import socket

from websockets.sync.client import connect

from cases_tls_server import UPGRADE, trusting
from kit import PASSWORD, USER, case, cases, echoes, must, refused, same


@cases("in front, ws", [
    ("nginx", lambda lab: (lab.nginx.ports["plain"], "/")),
    ("nginx, we on a Unix socket", lambda lab: (lab.nginx.ports["plain"], "/unix")),
    ("nginx, TLS to us, checks our certificate", lambda lab: (lab.nginx.ports["plain"], "/secure")),
    ("HAProxy", lambda lab: (lab.haproxy.ports["plain"], "/")),
    ("HAProxy, TLS to us, checks our certificate", lambda lab: (lab.haproxy.ports["to_tls"], "/")),
    ("Apache mod_proxy_wstunnel", lambda lab: (lab.apache.port, "/")),
])
def plain(lab, where):
    port, path = where(lab)
    echoes("ws://127.0.0.1:%d%s" % (port, path))
    with connect("ws://127.0.0.1:%d%s" % (port, path)) as ws:  # and with another client
        ws.send("x" * 100_000)
        same(len(ws.recv()), 100_000)


@case("in front, wss: nginx and HAProxy end TLS")
def secure(lab):
    for port in [lab.nginx.ports["tls"], lab.haproxy.ports["tls"]]:
        echoes("--cacert", lab.ca, "wss://localhost:%d/" % port)


@case("in front: compression passes nginx")
def compressed(lab):
    must("permessage-deflate", echoes("--deflate", "ws://127.0.0.1:%d/" % lab.nginx.ports["plain"]))


@case("in front: nginx finds nobody (502), or says 503")
def nobody(lab):
    refused("502", "ws://127.0.0.1:%d/gone" % lab.nginx.ports["plain"])
    refused("503", "ws://127.0.0.1:%d/" % lab.nginx.ports["broken"])


def local_port_seen(echo, url, **options):
    """Our server must tell the port of the client itself, not the balancer's."""
    with connect(url, **options) as ws:
        ws.send("hello")
        same(ws.recv(), "hello")
        echo.wait_for(r"^open 127\.0\.0\.1:%d\b" % ws.local_address[1])


@cases("PROXY protocol, HAProxy", [("version 1", "v1", "echo_proxied"), ("version 2", "v2", "echo_proxied"),
                                   ("version 2, Unix socket", "unix_v2", "echo_unix_proxied")])
def proxy_protocol(lab, port, echo):
    local_port_seen(getattr(lab, echo), "ws://127.0.0.1:%d/" % lab.haproxy.ports[port])


@case("PROXY protocol, HAProxy: version 2 before TLS that we end")
def proxy_protocol_tls(lab):
    local_port_seen(lab.echo_tls_proxied, "wss://localhost:%d/" % lab.haproxy.ports["tls_v2"], ssl=trusting(lab))


@case("PROXY protocol: missing from where it is expected")
def proxy_protocol_missing(lab):
    with socket.create_connection(("127.0.0.1", lab.echo_proxied.port), timeout=5) as sock:
        sock.sendall(UPGRADE.encode())
        same(b" 101 " in sock.recv(4096), False)
    with socket.create_connection(("127.0.0.1", lab.echo_proxied.port), timeout=5) as sock:
        sock.sendall(b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n" + UPGRADE.encode())
        same(b" 101 " in sock.recv(4096), True)


@case("PROXY protocol: from where it is not expected")
def proxy_protocol_unexpected(lab):
    with socket.create_connection(("127.0.0.1", lab.echo.port), timeout=5) as sock:
        sock.sendall(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        must(r"^HTTP/1\.1 400 ", sock.recv(4096).decode())


@cases("in front, log-in", [
    ("nginx, Basic", lambda lab: (lab.nginx.ports["plain"], "/basic")),
    ("Apache, Basic", lambda lab: (lab.apache.port, "/basic")),
    ("Apache, Digest", lambda lab: (lab.apache.port, "/digest")),
])
def log_in(lab, where):
    port, path = where(lab)
    url = "ws://127.0.0.1:%d%s" % (port, path)
    echoes("--user", USER + ":" + PASSWORD, url)
    refused("401", "--user", USER + ":wrong", url)
    refused("401", url)


@case("in front: nginx redirects")
def redirect(lab):
    url = "ws://127.0.0.1:%d/away" % lab.nginx.ports["plain"]
    refused("302", url)
    must(r"^connected to ws://127\.0\.0\.1:%d/unix" % lab.nginx.ports["plain"], echoes("--location", url))
