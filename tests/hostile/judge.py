"""What memory an attack may cost the server, computed from its limits."""

KIB, MIB = 1 << 10, 1 << 20

# One loop, whoever comes: receive buffers, buffers and compressors that are used again, what malloc keeps back.
LOOP = 24 * MIB
KEPT = 64 * MIB  # buffers of more than 64 KiB that a loop keeps for the next large message
# One connection before it is open: its head (WSOCK_OPT_MAX_HEAD_BYTES), and what there is of one that is idle.
HANDSHAKE = 16 * KIB + 4 * KIB
# With TLS: keys, what was said so far, and one record that is not whole.
TLS = 64 * KIB
# One that is open: input that waits for its next turn, and what an inflater knows.
OPEN = 256 * KIB + 48 * KIB
# So much of what the echo server sends may wait (WSOCK_OPT_HIGH_WATER), and a message more; then it reads no further.
HIGH_WATER = MIB


def each(received, message, tls=False, open=False):
    """One connection. `received`: bytes of a message that is not finished; room for them grows by doubling. `message`:
    the size of those that are echoed, of which one is being told and one has just been sent."""
    waiting = HIGH_WATER + 2 * message if message else 0
    return HANDSHAKE + (TLS if tls else 0) + (OPEN + 2 * received + waiting if open else 0)


def check_memory(server, before, bound):
    """The most that the server had since `forget_peak`, against the bound."""
    grown = server.memory("VmHWM") - before
    assert grown <= bound, "memory grew by %.1f MiB, to be at most %.1f" % (grown / MIB, bound / MIB)
