"""Certificates for tests, made by the openssl program: an authority, an intermediate one, and what they sign.

    certs.make(DIRECTORY)   makes all of them, in a second or two; returns the directory

Each NAME below has NAME.pem (the certificate, then its intermediate if it has one), NAME.key, and both in
NAME.both.pem. ca.pem and client_ca.pem are the two authorities to trust.
"""
import base64
import datetime
import hashlib
import pathlib
import shutil
import subprocess

SAN = "DNS:localhost,DNS:echo.test,IP:127.0.0.1,IP:::1"
OTHER_SAN = "DNS:www.example.org,DNS:example.org"

# name: (issuer, key, subject alternative names, days from now until valid, days until expired)
LEAVES = {
    "server": ("ca", "ec", SAN, -1, 30),
    "rsa": ("ca", "rsa", SAN, -1, 30),
    "chained": ("intermediate", "ec", SAN, -1, 30),
    "other": ("ca", "ec", OTHER_SAN, -1, 30),
    "expired": ("ca", "ec", SAN, -400, -35),
    "early": ("ca", "ec", SAN, 35, 400),
    "selfsigned": (None, "ec", SAN, -1, 30),
    "client": ("client_ca", "ec", None, -1, 30),
    "client_rsa": ("client_ca", "rsa", None, -1, 30),
    "client_expired": ("client_ca", "ec", None, -400, -35),
    "stranger": (None, "ec", None, -1, 30),
}

CONFIG = """
[ca]
default_ca = any
[any]
database = index.txt
new_certs_dir = issued
default_md = sha256
policy = any_policy
rand_serial = yes
unique_subject = no
email_in_dn = no
[any_policy]
commonName = supplied
organizationName = optional
[req]
distinguished_name = req_dn
[req_dn]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $ENV::SAN
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""


def available():
    return shutil.which("openssl") is not None


def day(offset):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)


def openssl(directory, *args, san=SAN):
    done = subprocess.run(["openssl", *args], cwd=directory, capture_output=True, text=True,
                          env={"PATH": "/usr/local/bin:/usr/bin:/bin", "SAN": san})
    if done.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (" ".join(args), done.stderr))
    return done.stdout


def sign(directory, name, issuer, kind, section, san, begin, end):
    algorithm = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    openssl(directory, "genpkey", "-algorithm", *algorithm, "-out", name + ".key")
    openssl(directory, "req", "-new", "-config", "ca.cnf", "-key", name + ".key", "-subj", "/CN=wsock test %s" % name,
            "-out", name + ".csr")
    by = ["-cert", issuer + ".pem", "-keyfile", issuer + ".key"] if issuer else ["-selfsign", "-keyfile", name + ".key"]
    openssl(directory, "ca", "-batch", "-notext", "-config", "ca.cnf", *by, "-in", name + ".csr", "-out", name + ".pem",
            "-extensions", section, "-startdate", day(begin).strftime("%Y%m%d%H%M%SZ"),
            "-enddate", day(end).strftime("%Y%m%d%H%M%SZ"), san=san)


def make(directory):
    directory = pathlib.Path(directory)
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "issued").mkdir(parents=True)
    (directory / "ca.cnf").write_text(CONFIG)
    (directory / "index.txt").touch()
    for name, issuer in [("ca", None), ("client_ca", None), ("intermediate", "ca")]:
        sign(directory, name, issuer, "ec", "authority", SAN, -500, 500)
    for name, (issuer, kind, san, begin, end) in LEAVES.items():
        sign(directory, name, issuer, kind, "server" if san else "client", san or SAN, begin, end)
        if issuer == "intermediate":
            with open(directory / (name + ".pem"), "a") as chain:
                chain.write((directory / "intermediate.pem").read_text())
        both = (directory / (name + ".pem")).read_text() + (directory / (name + ".key")).read_text()
        (directory / (name + ".both.pem")).write_text(both)
    return directory


def pin(directory, name):
    """The key of a certificate as wsock_options_add_pin wants it."""
    public = subprocess.run(["openssl", "pkey", "-in", name + ".key", "-pubout", "-outform", "DER"],
                            cwd=directory, capture_output=True, check=True).stdout
    return "sha256//" + base64.b64encode(hashlib.sha256(public).digest()).decode()
