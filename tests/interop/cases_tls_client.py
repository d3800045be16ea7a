"""Our client over TLS: servers of others, and what it says when something is wrong with them."""
import datetime
import json
import os
import re

import certs
from kit import WORK, Process, case, cases, client, echoes, free_port, must, program, refused, same

SERVERS = [
    ("Python websockets", lambda lab: lab.python_wss().url),
    ("Python websockets, RSA certificate", lambda lab: lab.python_wss("rsa").url),
    ("Python websockets, intermediate certificate", lambda lab: lab.python_wss("chained").url),
    ("Node ws", lambda lab: "wss://localhost:%d/" % lab.node_wss.port),
    ("nginx", lambda lab: "wss://localhost:%d/" % lab.nginx.ports["tls"]),
    ("nginx with TLS 1.2 alone", lambda lab: "wss://localhost:%d/" % lab.nginx.ports["tls12"]),
    ("HAProxy", lambda lab: "wss://localhost:%d/" % lab.haproxy.ports["tls"]),
    ("ours", lambda lab: lab.echo_tls.url),
    ("ours, intermediate certificate", lambda lab: lab.echo_chained.url),
]


@cases("TLS client", SERVERS)
def talks(lab, url):
    said = echoes("--cacert", lab.ca, url(lab))
    must(r"^TLSv1\.[23] .*wsock test", said, "what wscat tells of TLS")


@cases("TLS client, unknown authority", SERVERS)
def distrusts(lab, url):
    refused("unknown issuer.*wsock test ca", url(lab))


@case("TLS client: without options it trusts what the system trusts")
def system_trust(lab):
    # The system's authorities, for this process: those of its own file.
    env = {**os.environ, "SSL_CERT_FILE": str(lab.ca)}
    env.pop("SSL_CERT_DIR", None)
    echoes(lab.python_wss().url, env=env)
    refused("unknown issuer", "--cacert", lab.certs / "client_ca.pem", lab.python_wss().url, env=env)


@case("TLS client: --insecure takes a certificate of anybody")
def insecure(lab):
    echoes("--insecure", lab.python_wss("selfsigned").url)


@case("TLS client: a certificate that has expired, and the day")
def expired(lab):
    day = certs.day(-35).strftime("%Y-%m-%d")
    refused("expired on " + day, "--cacert", lab.ca, lab.python_wss("expired").url)


@case("TLS client: a certificate that is not valid yet, and the day")
def early(lab):
    day = certs.day(35).strftime("%Y-%m-%d")
    refused("valid only from " + day, "--cacert", lab.ca, lab.python_wss("early").url)


@case("TLS client: a certificate for another host, with both names")
def other(lab):
    url = "wss://localhost:%d/" % lab.python_wss("other").port
    refused(r"is for .*www\.example\.org.*not for localhost", "--cacert", lab.ca, url)


@case("TLS client: a self-signed certificate")
def selfsigned(lab):
    refused("self-signed", "--cacert", lab.ca, lab.python_wss("selfsigned").url)


@case("TLS client: an authority that has signed nothing of it")
def wrong_authority(lab):
    refused("unknown issuer", "--cacert", lab.certs / "client_ca.pem", lab.python_wss().url)


@case("TLS client: a chain without its intermediate certificate")
def missing_intermediate(lab):
    alone = WORK / "alone.pem"
    alone.write_text(re.split("(?<=END CERTIFICATE-----\n)", (lab.certs / "chained.pem").read_text())[0])
    with s_server(alone, lab.certs / "chained.key") as server:
        refused("unknown issuer.*wsock test intermediate", "--cacert", lab.ca, server.url)


@case("TLS client: --cacert without such a file")
def no_file(lab):
    refused(r"--cacert: .*nowhere\.pem", "--cacert", "nowhere.pem", "wss://localhost:1/")


@case("TLS client: the right pin, and a wrong one")
def pins(lab):
    url = lab.python_wss().url
    echoes("--cacert", lab.ca, "--pin", certs.pin(lab.certs, "server"), url)
    refused("pin", "--cacert", lab.ca, "--pin", certs.pin(lab.certs, "rsa"), url)


# ---- client certificates

MUTUAL = [
    ("Python websockets", lambda lab: lab.python_wss("server", "client_ca").url),
    ("ours", lambda lab: lab.echo_mutual.url),
]


@cases("TLS client, client certificate", MUTUAL + [
    ("nginx", lambda lab: "wss://localhost:%d/" % lab.nginx.ports["mutual"])])
def with_certificate(lab, url):
    for name in ["client", "client_rsa"]:
        echoes("--cacert", lab.ca, "--cert", lab.certs / (name + ".pem"), "--key", lab.certs / (name + ".key"), url(lab))


@case("TLS client, client certificate: the server knows whose")
def whose(lab):
    facts = client(lab.python_wss("server", "client_ca").url, "tls_ca_file=%s" % lab.ca,
                   "cert=%s,%s" % (lab.certs / "client.pem", lab.certs / "client.key"))
    same(json.loads(facts["message"])["subject"], ["wsock test client"])


@cases("TLS client, client certificate missing", MUTUAL)
def without_certificate(lab, url):
    refused("certificate.*certificate_required", "--cacert", lab.ca, url(lab))


@case("TLS client, client certificate missing: nginx answers 400")
def without_certificate_nginx(lab):
    refused("400", "--cacert", lab.ca, "wss://localhost:%d/" % lab.nginx.ports["mutual"])


@cases("TLS client, client certificate of a stranger", MUTUAL)
def stranger(lab, url):
    refused("refused: .*certificate", "--cacert", lab.ca, "--cert", lab.certs / "stranger.both.pem", url(lab))


@case("TLS client, client certificate without its key")
def wrong_key(lab):
    refused("--cert: .*key", "--cert", lab.certs / "client.pem", "--key", lab.certs / "rsa.key", "wss://localhost:1/")


# ---- versions and alerts, against openssl s_server

def s_server(certificate, key, *more):
    port = free_port()
    server = Process("s_server-%d" % port, program("openssl"), "s_server", "-accept", "127.0.0.1:%d" % port, "-quiet",
                     "-cert", certificate, "-key", key, *more, ports=[port])
    server.url = "wss://localhost:%d/" % port
    return server


def server_of(lab, *more):
    return s_server(lab.certs / "server.pem", lab.certs / "server.key", *more)


@case("TLS client: a server with TLS 1.1 alone")
def too_old(lab):
    with server_of(lab, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as server:
        facts = client(server.url, "tls_ca_file=%s" % lab.ca)
        must(r"speaks no TLS version that is allowed", facts["sentence"])
        same((facts["error"], facts["layer"], facts["alert"]), ("WSOCK_ERR_TLS", "3", "70"))


@case("TLS client: least version 1.3, a server with 1.2 alone")
def least_version(lab):
    url = "wss://localhost:%d/" % lab.nginx.ports["tls12"]
    same(client(url, "tls_ca_file=%s" % lab.ca)["version"], "TLSv1.2")
    facts = client(url, "tls_ca_file=%s" % lab.ca, "tls_min_version=13")
    must(r"speaks no TLS version that is allowed", facts["sentence"])
    same((facts["error"], facts["layer"]), ("WSOCK_ERR_TLS", "3"))


@case("TLS client: no cipher in common")
def no_cipher(lab):
    with server_of(lab, "-tls1_2", "-cipher", "AES128-SHA") as server:
        facts = client(server.url, "tls_ca_file=%s" % lab.ca)
        same((facts["error"], facts["layer"], facts["alert"]), ("WSOCK_ERR_TLS", "3", "40"))


@case("TLS client: a server that does not speak http/1.1 (ALPN)")
def alpn(lab):
    with server_of(lab, "-alpn", "h2") as server:
        facts = client(server.url, "tls_ca_file=%s" % lab.ca)
        must("http/1.1", facts["sentence"])
        same((facts["layer"], facts["alert"]), ("3", "120"))


@case("TLS client: the report of a certificate that is refused")
def report(lab):
    facts = client(lab.python_wss("expired").url, "tls_ca_file=%s" % lab.ca)
    same((facts["error"], facts["layer"], facts["alert"], facts["code"]), ("WSOCK_ERR_CERTIFICATE", "3", "45", "1006"))
    must(datetime.date.today().strftime("%Y|") + "expired on", facts["sentence"])


@case("TLS client: wss:// where plain HTTP is spoken")
def plain_port(lab):
    refused("not TLS: use ws://", "wss://127.0.0.1:%d/" % lab.nginx.ports["plain"])


@case("TLS client: ws:// where TLS is spoken")
def tls_port(lab):
    refused("400", "ws://127.0.0.1:%d/" % lab.nginx.ports["tls"])
    refused("400", lab.echo_tls.url.replace("wss:", "ws:"))


@cases("TLS client, second connection resumes", [("nginx", "tls"), ("nginx, TLS 1.2", "tls12"), ("HAProxy", "haproxy")])
def resumes(lab, which):
    port = lab.haproxy.ports["tls"] if which == "haproxy" else lab.nginx.ports[which]
    facts = client("wss://localhost:%d/" % port, "tls_ca_file=%s" % lab.ca, "times=2")
    same(facts["resumed"], ["0", "1"])
    facts = client("wss://localhost:%d/" % port, "tls_ca_file=%s" % lab.ca, "times=2", "tls_resumption=0")
    same(facts["resumed"], ["0", "0"])


@case("TLS client: certificate's subject, version and cipher are told")
def told(lab):
    facts = client(lab.python_wss().url, "tls_ca_file=%s" % lab.ca)
    same(facts["version"], json.loads(facts["message"])["tls"])
    must("wsock test server", facts["subject"])
    must("AES|CHACHA", facts["cipher"])


@case("TLS client: another server name than the URL's")
def server_name(lab):
    url = "wss://127.0.0.1:%d/" % lab.python_wss("other").port
    facts = client(url, "tls_ca_file=%s" % lab.ca, "tls_server_name=www.example.org")
    must("wsock test other", facts["subject"])
