"""Our client through proxies of others. Each proxy leaves from an address of its own (127.0.0.5 and up), so the
server can tell that the connection came through it."""
import json
import os

from kit import QUOTED, USER, case, cases, client, echoes, free_port, must, refused, same, wscat

SQUID, TINYPROXY, SOCKS, SOCKS_PROTECTED = "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8"
DIRECT = "127.0.0.1"

PROXIES = [
    ("squid", SQUID, lambda lab: "http://127.0.0.1:%d" % lab.squid.ports["open"]),
    ("squid with password", SQUID, lambda lab: "http://%s@127.0.0.1:%d" % (QUOTED, lab.squid.ports["protected"])),
    ("squid, TLS to the proxy", SQUID, lambda lab: "https://localhost:%d" % lab.squid.ports["tls"]),
    ("tinyproxy", TINYPROXY, lambda lab: "http://127.0.0.1:%d" % lab.tinyproxy.port),
    ("tinyproxy with password", TINYPROXY, lambda lab: "http://anna:plain@127.0.0.1:%d" % lab.tinyproxy_protected.port),
    ("HAProxy's TLS before tinyproxy", TINYPROXY, lambda lab: "https://localhost:%d" % lab.haproxy.ports["tls_to_proxy"]),
    ("SOCKS5", SOCKS, lambda lab: "socks5://127.0.0.1:%d" % lab.socks.port),
    ("SOCKS5 with password", SOCKS_PROTECTED, lambda lab: "socks5://%s@127.0.0.1:%d" % (QUOTED, lab.socks_protected.port)),
    ("SOCKS5, the proxy resolves", SOCKS, lambda lab: "socks5h://127.0.0.1:%d" % lab.socks.port),
]


def came_from(*args, env=None):
    """The address that the server saw."""
    out, _ = wscat(*args, message="who?", env=env)
    return json.loads(out)["peer"]


@cases("proxy, ws", PROXIES)
def plain(lab, address, proxy):
    trust = ["--cacert", lab.ca] if proxy(lab).startswith("https:") else []
    same(came_from(*trust, "--proxy", proxy(lab), lab.python_ws.url), address)


@cases("proxy, wss", PROXIES)
def secure(lab, address, proxy):
    same(came_from("--cacert", lab.ca, "--proxy", proxy(lab), lab.python_wss().url), address)


@case("proxy: what goes to the proxy in plain tells nothing of the password to the server")
def no_leak(lab):
    proxy = "http://%s@127.0.0.1:%d" % (QUOTED, lab.squid.ports["protected"])
    out, _ = wscat("--proxy", proxy, lab.python_ws.url, message="who?")
    headers = {name.lower() for name in json.loads(out)["headers"]}
    same(headers & {"proxy-authorization", "authorization"}, set())


@case("proxy: a name that only the proxy knows")
def name(lab):
    port = lab.python_wss().port
    same(came_from("--cacert", lab.ca, "--proxy", "http://127.0.0.1:%d" % lab.squid.ports["open"],
                   "wss://echo.test:%d/" % port), SQUID)
    refused("echo.test", "--cacert", lab.ca, "wss://echo.test:%d/" % port)


@case("proxy, SOCKS5: who looks the name up")
def who_resolves(lab):
    port = lab.python_ws.port
    proxy = "//127.0.0.1:%d" % lab.socks.port
    before = lab.socks.log()
    echoes("--proxy", "socks5:" + proxy, "ws://localhost:%d/" % port)
    must(r"connected to 127\.0\.0\.1:%d" % port, lab.socks.log()[len(before):], "the proxy's log")
    before = lab.socks.log()
    echoes("--proxy", "socks5h:" + proxy, "ws://localhost:%d/" % port)
    must(r"connected to localhost:%d" % port, lab.socks.log()[len(before):], "the proxy's log")


# ---- what the proxy refuses

@cases("proxy, wrong password", [
    ("squid", "407", lambda lab: "http://%s:wrong@127.0.0.1:%d" % (USER, lab.squid.ports["protected"])),
    ("squid, none", "407", lambda lab: "http://127.0.0.1:%d" % lab.squid.ports["protected"]),
    ("tinyproxy", "401", lambda lab: "http://anna:wrong@127.0.0.1:%d" % lab.tinyproxy_protected.port),
    ("SOCKS5", "rejected the user and password",
     lambda lab: "socks5://%s:wrong@127.0.0.1:%d" % (USER, lab.socks_protected.port)),
    ("SOCKS5, none", "wants authorization", lambda lab: "socks5://127.0.0.1:%d" % lab.socks_protected.port),
])
def password(lab, text, proxy):
    error = refused(text, "--proxy", proxy(lab), lab.python_ws.url)
    must("proxy", error)
    same("wrong@" in error, False)


@case("proxy: the report of a refusal")
def report(lab):
    facts = client(lab.python_ws.url, "proxy=http://127.0.0.1:%d" % lab.squid.ports["protected"])
    same((facts["error"], facts["layer"], facts["http"], facts["code"]), ("WSOCK_ERR_PROXY", "5", "407", "1006"))


@cases("proxy, forbidden", [("squid", "squid"), ("tinyproxy", "tinyproxy")])
def forbidden(lab, which):
    port = lab.squid.ports["open"] if which == "squid" else lab.tinyproxy.port
    must("proxy", refused("403", "--proxy", "http://127.0.0.1:%d" % port, "ws://forbidden.test:81/"))


@cases("proxy, nobody listens behind it", [
    ("squid", "50[0-9]", lambda lab: "http://127.0.0.1:%d" % lab.squid.ports["open"]),
    ("tinyproxy", "50[0-9]", lambda lab: "http://127.0.0.1:%d" % lab.tinyproxy.port),
    ("SOCKS5", "connection refused", lambda lab: "socks5://127.0.0.1:%d" % lab.socks.port),
])
def nobody(lab, text, proxy):
    must("proxy", refused(text, "--proxy", proxy(lab), "ws://127.0.0.1:%d/" % free_port()))


@case("proxy: nobody listens where it should be")
def no_proxy_there(lab):
    refused("refused", "--proxy", "http://127.0.0.1:%d" % free_port(), lab.python_ws.url)


@case("proxy: the wrong kind")
def wrong_kind(lab):
    refused("the proxy does not speak HTTP on this port", "--proxy", "http://127.0.0.1:%d" % lab.socks.port, lab.python_ws.url)
    refused("the proxy speaks TLS|the proxy closed|reset", "--proxy", "http://127.0.0.1:%d" % lab.squid.ports["tls"],
            lab.python_ws.url)
    refused("--proxy: .*scheme", "--proxy", "ftp://localhost", lab.python_ws.url)


@case("proxy, TLS to it: its certificate is checked")
def proxy_certificate(lab):
    refused("unknown issuer", "--proxy", "https://localhost:%d" % lab.squid.ports["tls"], lab.python_ws.url)


@case("proxy: the certificate behind it is checked")
def server_certificate(lab):
    refused("expired", "--cacert", lab.ca, "--proxy", "http://127.0.0.1:%d" % lab.squid.ports["open"],
            lab.python_wss("expired").url)


# ---- which proxy, and whether

def environment(**names):
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**clean, **names}


@case("proxy, environment: https_proxy for wss, http_proxy for ws, all_proxy for both, no_proxy for neither")
def from_environment(lab):
    squid = "http://127.0.0.1:%d" % lab.squid.ports["open"]
    tinyproxy = "http://127.0.0.1:%d" % lab.tinyproxy.port
    both = environment(https_proxy=squid, http_proxy=tinyproxy)
    switches = ["--cacert", lab.ca, "--proxy-env"]
    ws, wss = lab.python_ws.url, lab.python_wss().url
    same(came_from(*switches, wss, env=both), SQUID)
    same(came_from(*switches, ws, env=both), TINYPROXY)
    same(came_from(*switches, ws, env=environment(ALL_PROXY=squid)), SQUID)
    same(came_from(*switches, wss, env={**both, "no_proxy": "example.org, 127.0.0.0/8"}), DIRECT)
    same(came_from(*switches, wss, env={**both, "no_proxy": "example.org"}), SQUID)
    same(came_from("--cacert", lab.ca, wss, env=both), DIRECT)


@case("proxy: --noproxy")
def no_proxy(lab):
    proxy = ["--proxy", "http://127.0.0.1:%d" % lab.tinyproxy.port]
    same(came_from(*proxy, "--noproxy", "127.0.0.1", lab.python_ws.url), DIRECT)
    same(came_from(*proxy, "--noproxy", "*", lab.python_ws.url), DIRECT)
    same(came_from(*proxy, "--noproxy", "127.0.0.1:1,example.org", lab.python_ws.url), TINYPROXY)
