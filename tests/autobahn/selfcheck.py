"""Did the conversion work: the suite loads, with its C helpers, its cases and their octets."""
import sys

from autobahn.websocket.utf8validator import Utf8Validator
from autobahn.websocket.xormasker import XorMaskerNull
from autobahntestsuite import wstest  # noqa: F401 (that it loads is the check)
from autobahntestsuite.case import Cases

bad = []
if len(Cases) != 517:
    bad.append("%d cases, expected 517" % len(Cases))
if not Utf8Validator.__module__.startswith("wsaccel") or not XorMaskerNull.__module__.startswith("wsaccel"):
    bad.append("wsaccel is not in use")
by_id = {c.__name__: c for c in Cases}
if by_id["Case6_2_1"].PAYLOAD.encode("latin-1") != "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!".encode("utf-8"):
    bad.append("payload of 6.2.1 is wrong")
if by_id["Case6_3_1"].PAYLOAD.encode("latin-1")[11:14] != b"\xed\xa0\x80":
    bad.append("payload of 6.3.1 is wrong")
if bad:
    sys.exit("self-check failed: " + "; ".join(bad))
