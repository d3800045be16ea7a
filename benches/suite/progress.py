"""What goes on, and how long it will still take, on standard error."""
import sys
import time


class Progress:
    def __init__(self, total):
        self.total, self.done, self.began = total, 0, time.monotonic()
        self.line = sys.stderr.isatty()
        self.said = ""

    def left(self):
        if not self.done:
            return ""
        seconds = (time.monotonic() - self.began) / self.done * (self.total - self.done)
        return f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"

    def step(self, config, side, round_, rounds):
        """Before each sample."""
        if self.line:
            sys.stderr.write(f"\r\033[K[{self.done}/{self.total}] {config.title}: {side.title}, round {round_ + 1} of "
                             f"{rounds}{self.left()}")
        elif self.said != config.title:
            sys.stderr.write(f"[{self.done}/{self.total}] {config.title}{self.left()}\n")
            self.said = config.title
        sys.stderr.flush()

    def advance(self, samples=1):
        self.done += samples

    def clear(self):
        if self.line:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
