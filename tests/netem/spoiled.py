"""Links that are bad but work: everything arrives, once, in order, whatever becomes of the packets."""
from net import Net, Trouble, run
from peers import MESSAGES_OF_STRANGERS, Wrong, any_echo, client, python_peer, secure_client, secure_server, server


def exchange(net, messages=150, tls=False, **options):
    """All messages come back, the connection closes cleanly at both ends."""
    serve, call = (secure_server, secure_client) if tls else (server, client)
    with serve(net, size=options.get("size", 4096)) as echo, call(net, messages=messages, **options) as caller:
        caller.expect("done", messages=messages)
        caller.expect("close", status="WSOCK_OK", code=1000, clean=1, unsent=0)
        echo.expect("close", status="WSOCK_OK", code=1000, clean=1, unsent=0, messages=messages)
        caller.end()


def must_have_met(net, trouble):
    """That packets really were lost, doubled and overtaken, as TCP has counted."""
    for wanted, figure in [(trouble.loss, "RetransSegs"), (trouble.duplicate, "TCPDSACKRecv"), (trouble.reorder, "TCPOFOQueue")]:
        if wanted and not net.counted(figure):
            raise Wrong(f"{figure} is 0: there was no trouble")


def over(trouble, **options):
    def case(kind):
        with Net(kind, trouble) as net:
            exchange(net, **options)
            must_have_met(net, trouble)
    return case


def loss_by_nft(_):
    with Net() as net:
        for end in (0, 1):
            net.rule(end, "meta iifname link0 numgen random mod 100 < 10")
        exchange(net)
        must_have_met(net, Trouble(loss=10))


def small_mtu(mtu, **options):
    def case(_):
        with Net() as net:
            for end in (0, 1):
                run("ip", "-n", net.spaces[end], "link", "set", "link0", "mtu", mtu)
                # Below 88 bytes the system's least segment does not fit any more: it is cut into fragments then.
                net.set(end, "net.ipv4.ip_no_pmtu_disc", 1)
            exchange(net, **options)
    return case


def tiny_buffers(_):
    with Net() as net:
        for end in (0, 1):
            net.set(end, "net.ipv4.tcp_rmem", "2304 2304 2304")
            net.set(end, "net.ipv4.tcp_wmem", "4608 4608 4608")
        for tls in (False, True):
            exchange(net, messages=60, size=60000, tls=tls)


def rate(_):
    with Net() as net:
        for end in (0, 1):
            run("tc", "-n", net.spaces[end], "qdisc", "add", "dev", "link0", "root", "tbf", "rate", "4mbit", "burst", "4kb",
                "latency", "30ms")
        exchange(net, messages=60, size=60000, window=1000)


def ours_calls_a_stranger(kind):
    with Net(kind, Trouble(loss=5, delay=20, jitter=15, duplicate=5)) as net, python_peer(net, 1, "serve") as echo:
        echo.expect("listening")
        with client(net, messages=60) as caller:
            caller.expect("done", messages=60)
            caller.expect("close", status="WSOCK_OK", code=1000, clean=1)
            caller.end()


def a_stranger_calls_ours(kind):
    with Net(kind, Trouble(loss=5, delay=20, jitter=15, duplicate=5)) as net, any_echo(net), \
            python_peer(net, 0, "call") as caller:
        caller.expect("done", messages=MESSAGES_OF_STRANGERS)
        caller.end()


CASES = {
    "5 % of the packets are lost": over(Trouble(loss=5)),
    "20 % of the packets are lost": over(Trouble(loss=20), messages=40, size=2000),
    "10 % are lost, dropped by nft": loss_by_nft,
    "40 ms, give or take 20": over(Trouble(delay=40, jitter=20)),
    "25 % overtake the others": over(Trouble(delay=10, reorder=25)),
    "20 % come twice": over(Trouble(duplicate=20)),
    "lost, late, out of order and twice": over(Trouble(loss=5, delay=15, jitter=10, reorder=10, duplicate=10)),
    "the same, compressed": over(Trouble(loss=5, delay=15, jitter=10, reorder=10, duplicate=10), deflate=1),
    "the same, with TLS": over(Trouble(loss=5, delay=15, jitter=10, reorder=10, duplicate=10), tls=True),
    "packets of 576 bytes": small_mtu(576),
    "packets of 576 bytes, with TLS": small_mtu(576, tls=True),
    "packets of 68 bytes": small_mtu(68, messages=60),
    "sockets with the smallest buffers": tiny_buffers,
    "4 Mbit/s, and more than fits": rate,
    "a bad link to Python's websockets": ours_calls_a_stranger,
    "a bad link from Python's websockets": a_stranger_calls_ours,
}
STRANGERS = {"a bad link to Python's websockets", "a bad link from Python's websockets"}
