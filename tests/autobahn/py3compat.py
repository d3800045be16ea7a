"""Python 3 support for the converted suite; convert.py copies this file into it.

Inside the test cases a payload is a native str with one character per octet
(latin-1), as a Python 2 str was.  autobahn wants and gives bytes.
"""
import binascii as _binascii
import ipaddress
import sys
import traceback

# So that "wstest ... > log" can be followed while it runs.
for _stream in (sys.stdout, sys.stderr):
    if hasattr(_stream, "reconfigure"):
        _stream.reconfigure(line_buffering=True, errors="backslashreplace")


def octets(s):
    """Octet string -> bytes.  A character above U+00FF is an error, not a guess."""
    if isinstance(s, str):
        return s.encode("latin-1")
    return s


def native(b):
    """bytes -> octet string."""
    if isinstance(b, (bytes, bytearray, memoryview)):
        return bytes(b).decode("latin-1")
    return b


def text(b):
    """What a report shows for something that may still be bytes."""
    if isinstance(b, (bytes, bytearray)):
        return bytes(b).decode("utf-8", "backslashreplace")
    return b


class binascii(object):
    """The two functions the suite uses, from octet strings or bytes to str."""

    @staticmethod
    def b2a_hex(data):
        return _binascii.b2a_hex(octets(data)).decode("ascii")

    hexlify = b2a_hex


def binLogData(data, maxlen=64):
    """Hex of the first octets, for the wire log."""
    more = " ..."
    if len(data) > maxlen - len(more):
        return binascii.b2a_hex(data[:maxlen]) + more
    return binascii.b2a_hex(data)


def asciiLogData(data, maxlen=64, replace=False):
    """Text of the first octets where they are UTF-8, else their hex."""
    more = " ..."
    data = octets(data)
    shown = data[:maxlen] + more.encode("ascii") if len(data) > maxlen - len(more) else data
    try:
        return shown.decode("utf-8", "replace" if replace else "strict")
    except UnicodeDecodeError:
        return "0x" + binLogData(data, maxlen)


class SuiteProtocol(object):
    """Mixed into the fuzzing protocols before autobahn's class.

    1. The calls through which a case sends take octet strings as well as bytes.
    2. An exception in the suite makes the case FAILED.  Many cases expect that nothing
       comes back; had the suite stopped before sending what the case is about, such a
       case would pass without testing anything.
    """

    suiteError = None

    def sendFrame(self, opcode, payload=b"", *args, **kwargs):
        return super().sendFrame(opcode, octets(payload), *args, **kwargs)

    def sendMessage(self, payload, *args, **kwargs):
        return super().sendMessage(octets(payload), *args, **kwargs)

    def sendMessageFrameData(self, payload, *args, **kwargs):
        return super().sendMessageFrameData(octets(payload), *args, **kwargs)

    def sendMessageFrame(self, payload, *args, **kwargs):
        return super().sendMessageFrame(octets(payload), *args, **kwargs)

    def sendPing(self, payload=None):
        return super().sendPing(octets(payload))

    def sendPong(self, payload=None):
        return super().sendPong(octets(payload))

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        return super().sendCloseFrame(code=code, reasonUtf8=octets(reasonUtf8), isReply=isReply)

    def guarded(self, call, *args):
        try:
            return call(*args)
        except Exception:
            if self.suiteError is None:
                self.suiteError = traceback.format_exc()
            raise

    def dataReceived(self, data):
        return self.guarded(super().dataReceived, data)

    def _onOpen(self):
        return self.guarded(super()._onOpen)

    def _send(self):
        return self.guarded(super()._send)

    def caseConnectionLost(self):
        try:
            self.guarded(self.runCase.onConnectionLost, self.failedByMe)
        except Exception:
            pass
        if self.suiteError is not None:
            self.runCase.behavior = self.runCase.FAILED
            self.runCase.result = ("The test suite raised an exception (its own defect, or data "
                                   "from the peer that it cannot handle): " + self.suiteError)
            print("%s: %s" % (type(self.runCase).__name__, self.runCase.result))


def listenInterface(host):
    """Listen on the address in the URL only; autobahn listens on all."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return "127.0.0.1" if host == "localhost" else ""
