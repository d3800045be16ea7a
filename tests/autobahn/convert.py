"""Convert the installed Autobahn test suite (Python 2 code) to Python 3, in place.

    convert.py SITE_PACKAGES

fissix (lib2to3, packaged separately) does the syntax; SUBST below does the rest. Every substitution says
how often it must match, and any other count stops the installation: a changed suite is noticed.

How it works: inside the test cases a Python 2 byte string becomes a str whose characters are all in
U+0000..U+00FF, one character per octet (latin-1). The case sources keep their literals unchanged and mean
the same octets as before. str <-> bytes happens only where a case meets the protocol class (see the
class SuiteProtocol in py3compat.py).
"""
import ast
import logging
import pathlib
import re
import shutil
import sys

site = pathlib.Path(sys.argv[1])
suite = site / "autobahntestsuite"
shutil.copy(pathlib.Path(__file__).parent / "py3compat.py", suite)

# ---- 1. syntax ---------------------------------------------------------------
logging.disable(logging.CRITICAL)
from fissix import refactor

# Only fixers that the suite needs; none of them touches string literals.
tool = refactor.RefactoringTool(
    ["fissix.fixes.fix_" + f for f in ("except", "has_key", "import", "numliterals", "print", "raise", "xrange")])

# Modules that wstest does not use (WAMP, wsperf, the test database, a case that is
# not in the list of cases) stay as they are.
UNUSED = {"rinterfaces.py", "interfaces.py", "testdb.py", "testrun.py", "util.py", "serializer.py",
          "wampfuzzing.py", "wamptestee.py", "wamptestserver.py", "wsperfcontrol.py", "wsperfmaster.py",
          "case9_9_1.py"}
files = sorted(p for p in list(suite.glob("*.py")) + list((suite / "case").glob("*.py"))
               if p.name not in UNUSED and p.name != "py3compat.py")
sources = {}
for p in files:
    # Python 2 took the octets of a plain literal from the file as they are, which
    # is what reading the file as latin-1 gives.
    raw = p.read_bytes().decode("latin-1").replace("\r\n", "\n").rstrip() + "\n"
    sources[p.relative_to(suite).as_posix()] = str(tool.refactor_string(raw, str(p)))

# ---- 2. substitutions: (file or None for all cases, expected count, pattern, new) ---
lit = re.escape
CASES = None
SUBST = [
    # cases: the source encoding, so that the compiler does as said above
    (CASES, 11, r"\A# coding=utf-8\n", "# coding=latin-1\n"),
    # cases: all classes are new-style; (object, Case) has no method resolution order
    (CASES, 6, lit("(object, Case, )"), "(Case, )"),
    # cases: hex of octet strings
    (CASES, 13, r"(?m)^import binascii$", "from autobahntestsuite.py3compat import binascii"),
    # Compare by value.  pickle output also depends on which objects are shared.
    ("case/case.py", 1, lit("pickle.dumps(obj1) == pickle.dumps(obj2)"), "repr(obj1) == repr(obj2)"),
    ("case/case6_x_x.py", 1, lit("v.validate(vss[:i])"), "v.validate(vss[:i].encode('latin-1'))"),
    ("case/case10_1_1.py", 1, lit("len(self.payload) / self.p.autoFragmentSize"),
     "len(self.payload) // self.p.autoFragmentSize"),
    # 12.*/13.* work on bytes read from a file
    ("case/case12_x_x.py", 1, lit("import copy, os, pkg_resources, hashlib, binascii\n"),
     "import copy, os, pkg_resources, hashlib\nfrom autobahntestsuite.py3compat import binascii\n"),
    ("case/case12_x_x.py", 1, lit("def onMessage(self, msg, binary):\n"),
     "def onMessage(self, msg, binary):\n   msg = msg.encode('latin-1')\n"),
    # never run by the suite itself (not in its list of cases), and Python 2 only
    ("case/__init__.py", 1, r"(?m)^from \.case9_9_1 import \*$", ""),
    # Descriptions of 6.2.* quote their payload: back to text for the reports.
    ("case/__init__.py", 1, r"\Z", """
for _case in Cases:
   for _attr in ("DESCRIPTION", "EXPECTATION"):
      setattr(_case, _attr, getattr(_case, _attr).encode("latin-1").decode("utf-8"))
"""),

    # fuzzing.py: log helpers, and the mixin through which the cases send
    ("fuzzing.py", 1, r"(?s)def binLogData\(.*?(?=class FuzzingProtocol:)",
     "from autobahntestsuite.py3compat import SuiteProtocol, asciiLogData, binLogData, binascii, listenInterface, native, text\n\n\n"),
    ("fuzzing.py", 1, lit("class FuzzingProtocol:\n"), "class FuzzingProtocol(SuiteProtocol):\n"),
    ("fuzzing.py", 1, lit("self.runCase.onMessage(msg, binary)"), "self.runCase.onMessage(native(msg), binary)"),
    ("fuzzing.py", 1, lit("self.runCase.onPong(payload)"), "self.runCase.onPong(native(payload))"),
    ("fuzzing.py", 1, lit('"Pong received: " + payload'), '"Pong received: " + repr(payload)'),
    ("fuzzing.py", 1, lit("p = ''.join(payload)"), "p = b''.join(payload)"),
    ("fuzzing.py", 1, lit("self.runCase.onConnectionLost(self.failedByMe)"), "self.caseConnectionLost()"),
    ("fuzzing.py", 1, r"(?m)^(         )fun\(\)$", r"\1self.guarded(fun)"),
    # fuzzing.py: say each verdict as it falls, for the progress that run.py shows
    ("fuzzing.py", 1, lit('      agent = caseResults["agent"]\n      case = caseResults["id"]\n'),
     '      agent = caseResults["agent"]\n      case = caseResults["id"]\n'
     '      print("VERDICT %s|%s|%s" % (case, caseResults["behavior"], caseResults["behaviorClose"]))\n'),
    # fuzzing.py: no listening beyond the address in the URL
    ("fuzzing.py", 1, lit("listenWS(factory, sslContext)"),
     "listenWS(factory, sslContext, interface=listenInterface(factory.host))"),
    ("fuzzing.py", 1, lit("reactor.listenSSL(webport, web, sslContext)"),
     "reactor.listenSSL(webport, web, sslContext, interface=listenInterface(factory.host))"),
    ("fuzzing.py", 1, lit("reactor.listenTCP(webport, web)"),
     "reactor.listenTCP(webport, web, interface=listenInterface(factory.host))"),
    # fuzzing.py: reports are text
    ("fuzzing.py", 1, lit('"localCloseReason": self.localCloseReason'),
     '"localCloseReason": text(self.localCloseReason)'),
    ("fuzzing.py", 1, lit("""self.http_request_data if hasattr"""), "text(self.http_request_data) if hasattr"),
    ("fuzzing.py", 1, lit("""self.http_response_data if hasattr"""), "text(self.http_response_data) if hasattr"),
    ("fuzzing.py", 4, lit("open(os.path.join(outdir, report_filename), 'w')"),
     "open(os.path.join(outdir, report_filename), 'w', encoding='utf-8')"),
    ("fuzzing.py", 1, r'f\.write\(\((.* % \(c\[0\], case\[c\[0\]\], c\[1\]\))\)\.encode\("utf-8"\)\)', r"f.write(\1)"),
    ("fuzzing.py", 1, lit("ll.encode('utf8')"), "ll"),
    ("fuzzing.py", 1, lit("webdir.putChild('cwd', curdir)"), "webdir.putChild(b'cwd', curdir)"),

    ("caseset.py", 3, lit(r"'\.'"), r"'\\.'"),
    # wstest.py: without the WAMP serializer mode (needs unittest2 and msgpack)
    ("wstest.py", 1, r"(?m)^from \. import serializer$", ""),
    ("wstest.py", 1, r",\n\s*'serializer'\n", "\n"),
    ("wstest.py", 1, lit("open(spec_filename).read()"), "open(spec_filename, encoding='utf-8').read()"),
]

failed = []
for name, want, pattern, new in SUBST:
    got = 0
    for f in sources:
        if f == name or (name is CASES and f.startswith("case/")):
            repl = new if "\\1" in new else (lambda m, new=new: new)
            sources[f], n = re.subn(pattern, repl, sources[f])
            got += n
    if got != want:
        failed.append("%s: %r matched %d times, expected %d" % (name or "case/*", pattern, got, want))
if failed:
    sys.exit("conversion failed:\n  " + "\n  ".join(failed))

for f, src in sources.items():
    raw = src.encode("latin-1")
    ast.parse(raw, f)
    (suite / f).write_bytes(raw)

# ---- 3. autobahn 0.10.9: what differs on Python 3 ----------------------------------
for name, want, old, new in [
    # TypeError in sendFrame(payload_len=...), which 7.1.6 and 9.* use
    ("protocol.py", 1, "range(payload_len / len(payload))", "range(payload_len // len(payload))"),
    # option echoCloseCodeReason: the reason goes out as octets
    ("protocol.py", 1, "reasonUtf8=self.remoteCloseReason, isReply=True", "reasonUtf8=reasonRaw, isReply=True"),
    # zlib notices a distance beyond the negotiated window only in data that an earlier
    # call returned.  Python 2 took 16 KiB per call, Python 3 takes more: as before.
    ("compress_deflate.py", 1, "        return self._decompressor.decompress(data)\n",
     "        out = []\n"
     "        while True:\n"
     "            out.append(self._decompressor.decompress(data, 16384))\n"
     "            data = self._decompressor.unconsumed_tail\n"
     "            if not data and len(out[-1]) < 16384:\n"
     "                return b''.join(out)\n"),
]:
    path = site / "autobahn" / "websocket" / name
    src = path.read_text("utf-8")
    if src.count(old) != want:
        sys.exit("autobahn/websocket/%s: %r found %d times, expected %d" % (name, old, src.count(old), want))
    path.write_text(src.replace(old, new), "utf-8")
