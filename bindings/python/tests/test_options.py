"""What keyword arguments pass on to the library arrives there: each has a test in which it changes what happens."""
import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
import subprocess

import pytest

import wsock
from conftest import echo, pair


@contextlib.asynccontextmanager
async def secure(certificate, **tls):
    cert, key = certificate
    async with wsock.serve(echo, "127.0.0.1", 0, ssl=wsock.TLS(certfile=cert, keyfile=key, **tls)) as server:
        yield server


async def echoes(url, **settings):
    async with wsock.connect(url, **settings) as ws:
        await ws.send("there and back")
        return await ws.recv() == "there and back"


def test_text_as_bytes(run):
    async def main():
        async with pair(server={"text_as_bytes": True}, client={"text_as_bytes": True}) as ws:
            await ws.send("höhe")
            # What the server had as bytes it sends as binary.
            assert await ws.recv() == "höhe".encode()
        async with pair(client={"text_as_bytes": True, "streaming": True}) as ws:
            await ws.send("höhe" * 100_000)
            received = b"".join([part async for part in ws.recv_streaming()])
            assert received == "höhe".encode() * 100_000
            await ws.send("again")
            assert await ws.recv() == b"again"
            await ws.send("and decoded")
            assert await ws.recv(decode=True) == "and decoded"

    run(main())


def test_where_a_client_comes_from(run):
    async def main():
        seen = []

        async def handler(ws):
            seen.append(ws.remote_address[0])

        async with wsock.serve(handler, "127.0.0.1", 0) as server:
            async with wsock.connect(server.url, local_addr=("127.0.0.7", 0)) as ws:
                await ws.wait_closed()
        assert seen == ["127.0.0.7"]

    run(main())


def test_several_servers_on_one_port(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0, reuse_port=True) as first:
            async with wsock.serve(echo, "127.0.0.1", first.port, reuse_port=True):
                assert await echoes(first.url)
            with pytest.raises(OSError):
                await wsock.serve(echo, "127.0.0.1", first.port)

    run(main())


def test_the_line_of_those_who_wait_to_be_accepted(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0, backlog=1) as server:
            # Nobody accepts while this does not wait.
            waiting = []
            for _ in range(4):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", server.port))
                waiting.append(sock)
            connected = [sock for sock in waiting if sock.connect_ex(("127.0.0.1", server.port)) in (0, 106)]
            assert len(connected) < 4
            for sock in waiting:
                sock.close()

    run(main())


def test_whom_to_believe_where_a_client_is(run):
    async def main():
        seen = []

        async def handler(ws):
            seen.append(ws.remote_address[0])

        for trusted in ([], ["127.0.0.0/8"]):
            async with wsock.serve(handler, "127.0.0.1", 0, trusted_proxies=trusted) as server:
                sock = socket.create_connection(("127.0.0.1", server.port))
                if trusted:
                    sock.sendall(b"PROXY TCP4 203.0.113.9 127.0.0.1 7 %d\r\n" % server.port)
                async with wsock.connect(server.url, sock=sock) as ws:
                    await ws.wait_closed()
        assert seen == ["127.0.0.1", "203.0.113.9"]

    run(main())


async def proxy(asked):
    """An HTTP proxy that tells what it was asked for."""
    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split("\r\n")[0])
        host, _, port = head.split()[1].rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def copy(source, target):
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
            target.close()

        await asyncio.gather(copy(reader, back), copy(there, writer))

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def test_proxies(run, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
                 "ws_proxy", "wss_proxy", "socks_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def main():
        asked = []
        server_of_proxy = await proxy(asked)
        url = "http://127.0.0.1:%d" % server_of_proxy.sockets[0].getsockname()[1]
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            assert await echoes(server.url, proxy=url)
            assert asked == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
            monkeypatch.setenv("http_proxy", url)
            monkeypatch.setenv("https_proxy", url)
            monkeypatch.setenv("all_proxy", url)
            assert await echoes(server.url, proxy=None) and len(asked) == 1
            assert await echoes(server.url) and len(asked) == 2
        server_of_proxy.close()
        await asyncio.sleep(0.05)

    run(main())


def test_a_client_that_says_nothing_of_itself(run):
    async def main():
        seen = []

        async def handler(ws):
            seen.append(ws.request.headers.get("User-Agent"))

        async with wsock.serve(handler, "127.0.0.1", 0, server_header=None) as server:
            async with wsock.connect(server.url, user_agent_header=None) as ws:
                assert "Server" not in ws.response.headers
                await ws.wait_closed()
            async with wsock.connect(server.url) as ws:
                await ws.wait_closed()
        assert seen[0] is None and seen[1].startswith("Python/")

    run(main())


def test_connections_of_ones_own_making(run):
    class Client(wsock.asyncio.client.ClientConnection):
        mine = "client"

    class Server(wsock.asyncio.server.ServerConnection):
        mine = "server"

    async def main():
        async def handler(ws):
            await ws.send(ws.mine)

        settings = {"server": {"create_connection": Server}, "client": {"create_connection": Client}}
        async with pair(handler, **settings) as ws:
            assert ws.mine == "client" and await ws.recv() == "server"

    run(main())


def test_which_failures_are_worth_another_attempt(run):
    class Enough(Exception):
        pass

    async def main():
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = "ws://127.0.0.1:%d/" % nobody.getsockname()[1]
            seen = []

            def process(error):
                seen.append(type(error))
                return Enough("no more") if len(seen) == 2 else None

            with pytest.raises(Enough):
                async for _ in wsock.connect(url, process_exception=process):
                    raise AssertionError("there is nobody")
            assert seen == [ConnectionRefusedError, ConnectionRefusedError]
            with pytest.raises(ConnectionRefusedError):
                async for _ in wsock.connect(url, process_exception=lambda error: error):
                    raise AssertionError("there is nobody")

    run(main())


def test_tls_by_another_name(run, certificate):
    async def main():
        async with secure(certificate) as server:
            trust = wsock.TLS(cafile=certificate[0])
            with pytest.raises(ssl.SSLCertVerificationError):
                await wsock.connect(server.url, ssl=trust, server_hostname="elsewhere.example")
            assert await echoes(server.url, ssl=trust, server_hostname="localhost")

    run(main())


def test_tls_without_verification(run, certificate):
    async def main():
        async with secure(certificate) as server:
            assert await echoes(server.url, ssl=wsock.TLS(verify=False))

    run(main())


def test_tls_trust_as_text_and_beside_that_of_the_system(run, certificate):
    async def main():
        text = certificate[0].read_text()
        async with secure(certificate) as server:
            assert await echoes(server.url, ssl=wsock.TLS(cadata=text))
            assert await echoes(server.url, ssl=wsock.TLS(cadata=text, system_trust=True))
            with pytest.raises(ssl.SSLCertVerificationError):
                await wsock.connect(server.url, ssl=wsock.TLS(system_trust=True))

    run(main())


def test_tls_pins(run, certificate):
    cert, _ = certificate
    key = subprocess.run(["openssl", "x509", "-in", str(cert), "-pubkey", "-noout"], check=True, stdout=subprocess.PIPE).stdout
    der = base64.b64decode(b"".join(key.split(b"\n")[1:-2]))
    pin = "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()
    other = "sha256//" + base64.b64encode(bytes(32)).decode()

    async def main():
        async with secure(certificate) as server:
            assert await echoes(server.url, ssl=wsock.TLS(cafile=cert, pins=[other, pin]))
            with pytest.raises(ssl.SSLError):
                await wsock.connect(server.url, ssl=wsock.TLS(cafile=cert, pins=[other]))

    run(main())


def test_tls_of_clients(run, certificate, client_certificate):
    cert, _ = certificate
    own, key = client_certificate

    async def main():
        async with secure(certificate, client_certificates="required", cafile=cert) as server:
            assert await echoes(server.url, ssl=wsock.TLS(certfile=own, keyfile=key, cafile=cert))
            with pytest.raises((ssl.SSLError, wsock.ConnectionClosed, ConnectionError)):
                async with wsock.connect(server.url, ssl=wsock.TLS(cafile=cert)) as ws:
                    await ws.recv()

    run(main())


def test_tls_versions(run, certificate):
    def connects(port, version):
        context = ssl.create_default_context(cafile=str(certificate[0]))
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", port)) as sock:
            with contextlib.suppress(ssl.SSLError, ConnectionError), context.wrap_socket(sock, server_hostname="localhost"):
                return True
        return False

    async def main():
        loop = asyncio.get_running_loop()
        old, new = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        for least, expected in (("1.2", [True, True]), ("1.3", [False, True])):
            async with secure(certificate, minimum_version=least) as server:
                outcome = [await loop.run_in_executor(None, connects, server.port, version) for version in (old, new)]
                assert outcome == expected

    run(main())


@pytest.mark.parametrize("settings", [{"client_certificates": "maybe"}, {"minimum_version": "1.1"}, {"pins": ["md5//x"]},
                                      {"certfile": "only.pem"}, {"cadata": "no certificate"}])
def test_tls_settings_that_are_refused(run, settings):
    async def main():
        with pytest.raises((ValueError, OSError)):
            await wsock.connect("wss://127.0.0.1:1/", ssl=wsock.TLS(**settings))

    run(main())
