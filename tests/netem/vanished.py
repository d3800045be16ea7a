"""Peers that are not there any more, without a word: what is told, that it is told in time, and that clients come back."""
import os
import pathlib
import signal

from net import Net
from peers import PORT, Wrong, client, secure_client, secure_server, server

# The library looks after 300 ms of silence and waits 700 ms more. In time is what is not many times as late, whatever
# else the machine does meanwhile.
WATCHFUL = {"ping": 300, "pong": 700}
IN_TIME = 15


def in_time(found):
    if found["took"] > IN_TIME:
        raise Wrong(f"that took {found['took']:.1f} s: {found}")
    return found


def cut(net):
    """Not one packet more, in either direction."""
    for end in (0, 1):
        net.rule(end, "meta iifname link0")


def while_idle(_):
    with Net() as net, server(net, **WATCHFUL) as echo, client(net, messages=20, stay=1, **WATCHFUL) as caller:
        caller.expect("done")
        cut(net)
        in_time(caller.expect("close", status="WSOCK_ERR_PING_TIMEOUT", code=1006, clean=0, layer=6, unsent=0))
        in_time(echo.expect("close", status="WSOCK_ERR_PING_TIMEOUT", code=1006, clean=0, layer=6, unsent=0, messages=20))
        caller.end()


def in_the_midst(_):
    """More is on the way than sockets take: what the library still has is told as unsent."""
    many = {"messages": 1000000, "window": 1000000, "size": 20000}
    with Net() as net, server(net, size=20000, **WATCHFUL) as echo, client(net, **many, **WATCHFUL) as caller:
        caller.expect("open")
        cut(net)
        lost = in_time(caller.expect("close", status="WSOCK_ERR_PING_TIMEOUT", clean=0, layer=6))
        came = in_time(echo.expect("close", status="WSOCK_ERR_PING_TIMEOUT", clean=0, layer=6))
        if not 0 < lost["unsent"] <= lost["bytes"] - came["bytes"]:
            raise Wrong(f"{lost['bytes']} bytes were accepted and {came['bytes']} arrived: {lost['unsent']} unsent?")
        caller.end()


def link_down_and_up(_):
    with Net() as net, server(net, **WATCHFUL), client(net, messages=20, stay=1, reconnect=-1, connect=2000, **WATCHFUL) as caller:
        caller.expect("done")
        net.link(1, "down")
        in_time(caller.expect("retry", status="WSOCK_ERR_PING_TIMEOUT"))
        caller.expect("retry", status=("WSOCK_ERR_CONNECT", "WSOCK_ERR_CONNECT_TIMEOUT"))
        net.link(1, "up")
        in_time(caller.expect("open"))
        caller.expect("done", messages=20)


def cut_and_healed(_):
    """In the midst of messages, again and again: each connection begins anew, and none gets a message twice."""
    with Net() as net, server(net, **WATCHFUL) as echo, \
            client(net, messages=1000000, reconnect=-1, connect=2000, **WATCHFUL) as caller:
        for _ in range(3):
            in_time(caller.expect("open"))
            echo.expect("open")
            cut(net)
            in_time(caller.expect("retry", status="WSOCK_ERR_PING_TIMEOUT"))
            in_time(echo.expect("close", status="WSOCK_ERR_PING_TIMEOUT"))
            net.heal()
        caller.expect("open")


def before_tcp(_):
    with Net() as net, server(net):
        cut(net)
        with client(net, connect=1500) as caller:
            in_time(caller.expect("close", status="WSOCK_ERR_CONNECT_TIMEOUT", code=1006, layer=6))
            caller.end()


def in_the_handshake(_):
    """TCP comes about, what is said over it does not."""
    with Net() as net, server(net):
        net.rule(1, "tcp flags & psh == psh")
        with client(net, handshake=1500) as caller:
            in_time(caller.expect("close", status="WSOCK_ERR_HANDSHAKE_TIMEOUT", code=1006, layer=6))
            caller.end()


def in_the_tls_handshake(_):
    """TCP comes about, and the client's hello arrives; what the server says does not."""
    with Net() as net, secure_server(net):
        net.rule(0, "tcp flags & psh == psh")
        with secure_client(net, handshake=1500) as caller:
            in_time(caller.expect("close", status="WSOCK_ERR_HANDSHAKE_TIMEOUT", code=1006, layer=6))
            caller.end()


def with_tls_in_the_midst(_):
    with Net() as net, secure_server(net, **WATCHFUL) as echo, secure_client(net, messages=1000000, **WATCHFUL) as caller:
        caller.expect("open")
        cut(net)
        in_time(caller.expect("close", status="WSOCK_ERR_PING_TIMEOUT", clean=0, layer=6))
        in_time(echo.expect("close", status="WSOCK_ERR_PING_TIMEOUT", clean=0, layer=6))
        caller.end()


def in_the_close_handshake(_):
    with Net() as net, server(net, close=1500) as echo, client(net, messages=20, stay=1, close=1500) as caller:
        caller.expect("done")
        cut(net)
        # The process is a child of `ip netns exec`, which has become it.
        os.kill(caller.process.pid, signal.SIGTERM)
        in_time(caller.expect("close", status="WSOCK_ERR_CLOSE_TIMEOUT", code=1006, clean=0, layer=6))
        caller.end()


def half_open(_):
    """The server dies and its farewells are lost; another takes its place."""
    with Net() as net:
        with server(net) as first, client(net, messages=20, stay=1, reconnect=-1, connect=2000, **WATCHFUL) as caller:
            caller.expect("done")
            net.rule(1, "tcp flags & (rst | fin) != 0", "output")
            first.close()
            in_time(caller.expect("retry", status="WSOCK_ERR_PING_TIMEOUT"))
            net.heal()
            with server(net):
                caller.expect("done", messages=20)


def half_open_client(_):
    """The client dies, its farewells are lost: the server notices, and lets its next life in meanwhile."""
    with Net() as net, server(net, **WATCHFUL) as echo:
        with client(net, messages=20, stay=1) as caller:
            caller.expect("done")
            net.rule(0, "tcp flags & (rst | fin) != 0", "output")
        with client(net, messages=20, stay=1) as caller:
            caller.expect("done", messages=20)
            in_time(echo.expect("close", status="WSOCK_ERR_PING_TIMEOUT", messages=20))


def reset(_):
    """For comparison: the same with the reset that the system sends for a dead server."""
    with Net() as net, server(net) as echo, client(net, messages=20, stay=1) as caller:
        caller.expect("done")
        net.rule(1, "tcp flags & fin == fin", "output")
        echo.close()
        os.kill(caller.process.pid, signal.SIGTERM)
        in_time(caller.expect("close", status="WSOCK_ERR_CONNECTION_LOST", layer=4))
        caller.end()


def no_answer_for_a_name(_):
    """The resolver never answers. Its thread is not waited for."""
    with Net() as net:
        folder = pathlib.Path("/etc/netns", net.spaces[0])
        folder.mkdir(parents=True)
        (folder / "resolv.conf").write_text("nameserver 10.77.0.2\n")
        net.rule(1, "udp dport 53")
        with client(net, f"ws://nobody.example:{PORT}/", connect=1500) as caller:
            in_time(caller.expect("close", status="WSOCK_ERR_CONNECT_TIMEOUT", code=1006, layer=6))
            in_time(caller.expect("ended"))


CASES = {
    "gone while idle": while_idle,
    "gone in the midst of messages": in_the_midst,
    "the link goes down and comes up": link_down_and_up,
    "cut and healed three times": cut_and_healed,
    "gone before TCP": before_tcp,
    "gone in the handshake": in_the_handshake,
    "gone in the handshake of TLS": in_the_tls_handshake,
    "gone in the midst of messages, with TLS": with_tls_in_the_midst,
    "gone in the close handshake": in_the_close_handshake,
    "a dead server whose end is lost": half_open,
    "a dead client whose end is lost": half_open_client,
    "a dead server whose reset comes": reset,
    "a name that nobody answers for": no_answer_for_a_name,
}
