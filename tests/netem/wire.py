"""A bad wire between two TUN devices, for kernels without netem: it loses, delays, reorders and doubles whole packets."""
import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000


def new_tun(name):
    """The descriptor of a device that can be moved to a namespace afterwards."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


class Wire:
    """Moves packets from each of two devices to the other, until it is closed. `trouble` may change any time."""

    def __init__(self, names, trouble):
        self.ends = [new_tun(name) for name in names]
        self.trouble = trouble
        self.chance = random.Random(1)
        self.waiting, self.count = [], 0
        self.stop, self.stopped = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def take(self, end, now):
        try:
            packet = os.read(self.ends[end], 65536)
        except OSError:  # nothing more, or the device is down
            return
        trouble, chance = self.trouble, self.chance
        if chance.random() * 100 < trouble.loss:
            return
        for _ in range(2 if chance.random() * 100 < trouble.duplicate else 1):
            late = max(0, trouble.delay + chance.uniform(-trouble.jitter, trouble.jitter)) / 1000
            if chance.random() * 100 < trouble.reorder:
                late = 0
            self.count += 1
            heapq.heappush(self.waiting, (now + late, self.count, 1 - end, packet))

    def give(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            _, _, end, packet = heapq.heappop(self.waiting)
            try:
                os.write(self.ends[end], packet)
            except OSError:  # the device is down: lost
                pass

    def run(self):
        while True:
            wait = max(0, self.waiting[0][0] - time.monotonic()) if self.waiting else 1
            ready = select.select([*self.ends, self.stop], [], [], wait)[0]
            if self.stop in ready:
                return
            now = time.monotonic()
            for end in (0, 1):
                if self.ends[end] in ready:
                    self.take(end, now)
            self.give(time.monotonic())

    def close(self):
        os.write(self.stopped, b".")
        self.thread.join()
        for fd in (*self.ends, self.stop, self.stopped):
            os.close(fd)
