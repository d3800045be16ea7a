"""Redirects, log-ins and cookies, against a server written out here."""
import base64
import hashlib
import json
import os
import re

from kit import PASSWORD, USER, case, cases, client, echoes, must, refused, same, wscat
from lab import PythonServer, response

REALM = "the interop tests"


class Web:
    """Answers by path: /301 ... /308 lead to /there, /loop to itself, /basic and /digest/... ask who it is."""

    def __init__(self, lab):
        self.seen = []  # (path, Authorization) of every request
        self.nonces = {}
        self.server = PythonServer(answer=self.answer)
        self.other = PythonServer(answer=self.remember)  # another port: another origin
        self.secure = PythonServer(lab.context(), answer=self.answer)
        self.url = self.server.url

    def remember(self, request):
        self.seen.append((request.path, dict(request.headers.raw_items())))

    def answer(self, request):
        self.remember(request)
        path = request.path
        if found := re.fullmatch(r"/(30[12378])", path):
            return response(found[1], "moved", Location="there?from=%s" % found[1])
        if found := re.fullmatch(r"/hops/(\d+)", path):
            return response(302, Location="/hops/%d" % (int(found[1]) - 1)) if found[1] != "0" else None
        if path == "/loop":
            return response(302, Location="/loop")
        if path == "/downgrade":
            return response(302, Location=self.url)
        if path == "/upgrade":
            return response(302, Location=self.secure.url.replace("wss:", "https:"))
        if path == "/across":
            return response(307, Location=self.other.url + "across")
        if path == "/nowhere":
            return response(302, Location="mailto:anna@example.org")
        if path == "/silent":
            return response(302)
        if path == "/basic":
            wanted = "Basic " + base64.b64encode(("%s:%s" % (USER, PASSWORD)).encode()).decode()
            if request.headers.get("Authorization") != wanted:
                return response(401, "who?", WWW_Authenticate='Basic realm="%s", charset="UTF-8"' % REALM)
        if path == "/bearer":
            return response(401, "who?", WWW_Authenticate="Bearer")
        if path.startswith("/digest/"):
            return self.digest(path, request.headers.get("Authorization", ""))
        return None

    def digest(self, path, authorization):
        algorithm, _, variant = path[len("/digest/"):].partition("/")
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization))
        if given.get("nonce") in self.nonces:
            stale = variant == "stale" and self.nonces[given["nonce"]] == 0
            if not stale and self.right(path, algorithm, given):
                return None
        else:
            stale = False
        nonce = os.urandom(12).hex()
        self.nonces[nonce] = len(self.nonces) if variant == "stale" else 1
        challenge = 'Digest realm="%s", nonce="%s", opaque="xyz"' % (REALM, nonce)
        challenge += ", stale=true" if stale else ""
        challenge += ', qop="auth"' if variant != "old" else ""
        challenge += ", algorithm=%s" % algorithm
        offers = [challenge]
        if variant == "choice":  # several: the strongest that the client knows
            offers = ['Basic realm="%s"' % REALM, challenge.replace("SHA-256", "MD5"), challenge, "Negotiate"]
        return response(401, "who?", WWW_Authenticate=offers)

    @staticmethod
    def right(path, algorithm, given):
        """RFC 7616 section 3.4."""
        def digest(text):
            function = {"MD5": "md5", "SHA-256": "sha256"}[algorithm.replace("-sess", "")]
            return hashlib.new(function, text.encode()).hexdigest()
        secret = digest("%s:%s:%s" % (USER, REALM, PASSWORD))
        if algorithm.endswith("-sess"):
            secret = digest("%s:%s:%s" % (secret, given["nonce"], given.get("cnonce")))
        request = digest("GET:" + path)
        if "qop" in given:
            middle = ":".join([given["nonce"], given["nc"], given["cnonce"], given["qop"]])
        else:
            middle = given["nonce"]
        return (given["uri"] == path and given["username"] == USER and given.get("opaque") == "xyz"
                and given.get("algorithm", "MD5") == algorithm
                and given["response"] == digest("%s:%s:%s" % (secret, middle, request)))


def web(lab):
    if not hasattr(lab, "web"):
        lab.web = Web(lab)
    lab.web.seen.clear()
    return lab.web


def server_saw(*args):
    out, _ = wscat(*args, message="who?")
    return json.loads(out)


# ---- redirects

@cases("redirect", [(status,) * 2 for status in ["301", "302", "303", "307", "308"]])
def follows(lab, status):
    there = web(lab)
    refused(status, there.url + status)
    same(server_saw("--location", there.url + status)["path"], "/there?from=" + status)


@case("redirect: not more than the limit")
def limit(lab):
    there = web(lab)
    same(client(there.url + "hops/3", "max_redirects=3")["code"], "1000")
    facts = client(there.url + "hops/4", "max_redirects=3")
    same((facts["error"], facts["layer"]), ("WSOCK_ERR_REDIRECT", "2"))
    must("redirect", facts["sentence"])
    refused("redirect", "--location", there.url + "loop")


@case("redirect: never from wss to ws")
def downgrade(lab):
    there = web(lab)
    refused("redirect.*wss.*ws", "--location", "--cacert", lab.ca, there.secure.url + "downgrade")


@case("redirect: from ws to wss, given as https")
def upgrade(lab):
    there = web(lab)
    must(r"^connected to wss://", echoes("--location", "--cacert", lab.ca, there.url + "upgrade"))


@case("redirect: to no WebSocket, and without a place")
def nowhere(lab):
    there = web(lab)
    refused("redirects to where one cannot go", "--location", there.url + "nowhere")
    refused("Location|302", "--location", there.url + "silent")


@case("redirect: secrets are not told to another origin")
def secrets(lab):
    there = web(lab)
    url = there.url.replace("ws://", "ws://%s:sesame@" % USER)
    echoes("--location", "--cookie", "id=7", "-H", "Authorization: Bearer x", "-H", "X-Plain: yes",
           there.url + "across")
    echoes("--location", "--cookie", "id=7", url + "across")
    crossed = [headers for path, headers in there.seen if path == "/across"]
    same([sorted(name for name in headers if name in ("Authorization", "Cookie")) for headers in crossed],
         [["Authorization", "Cookie"], [], ["Authorization", "Cookie"], []])
    echoes("--location", "--cookie", "id=7", there.url + "302")  # but to the same one
    same([headers.get("Cookie") is not None for _, headers in there.seen[-2:]], [True, True])


# ---- who it is

@case("log-in: Basic when asked")
def basic(lab):
    there = web(lab)
    echoes("--user", "%s:%s" % (USER, PASSWORD), there.url + "basic")
    same(["Authorization" in headers for _, headers in there.seen], [False, True])
    refused("401", "--user", USER + ":wrong", there.url + "basic")
    refused("401", there.url + "basic")


@case("log-in: user and password in the URL are sent at once")
def in_url(lab):
    there = web(lab)
    echoes(there.url.replace("ws://", "ws://%s:geheim%%2F1@" % USER) + "basic")
    same(["Authorization" in headers for _, headers in there.seen], [True])


@cases("log-in: Digest", [
    ("MD5", "MD5"), ("SHA-256", "SHA-256"), ("without qop", "MD5/old"), ("a stale nonce", "SHA-256/stale"),
    ("the best of several", "SHA-256/choice")])
def digest(lab, path):
    there = web(lab)
    echoes("--user", "%s:%s" % (USER, PASSWORD), there.url + "digest/" + path)
    same("Authorization" in there.seen[0][1], False)
    refused("401", "--user", USER + ":wrong", there.url + "digest/" + path)


@case("log-in: a way that nobody here knows")
def bearer(lab):
    refused("wants Bearer authorization", "--user", "anna:x", web(lab).url + "bearer")


# ---- cookies

@case("cookies: sent, and received")
def cookies(lab):
    there = web(lab)
    same(server_saw("--cookie", "id=7", "--cookie", "theme=dark", there.url)["headers"]["Cookie"], "id=7; theme=dark")
    jar = PythonServer(cookies=["first=1; Path=/; HttpOnly", 'second="quoted"; Max-Age=60', "third="])
    got = client(jar.url, "ask=first", "ask=second", "ask=third", "ask=fourth")
    same([got["cookie " + name] for name in ["first", "third", "fourth"]], ["1", "", "(none)"])
    must("quoted", got["cookie second"])
