"""A certificate for the servers that speak TLS, of the kind that most servers have: P-256, signed by itself."""
import shutil
import subprocess

from .processes import Failure
from .sides import BENCH


def make():
    """The paths of certificate and key."""
    cert, key = BENCH / "cert.pem", BENCH / "key.pem"
    if not (cert.exists() and key.exists()):
        if not shutil.which("openssl"):
            raise Failure("TLS wants a certificate, and there is no openssl to make it: apt-get install openssl")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key
