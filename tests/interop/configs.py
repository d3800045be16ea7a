"""Configuration files of the foreign servers and proxies. Each function writes one and returns its path."""
import hashlib
import os
import pwd
import shutil
import subprocess

from kit import PASSWORD, USER, WORK


def write(name, text):
    path = WORK / name
    path.write_text(text)
    return path


def passwords(name, scheme):
    """A file of users for nginx, Apache and squid: Basic, with the hash of openssl passwd."""
    crypted = subprocess.run(["openssl", "passwd", scheme, PASSWORD], capture_output=True, text=True, check=True).stdout
    return write(name, "%s:%s" % (USER, crypted))


def nginx(lab, ports):
    """TLS in front of our echo_server, and plain; /unix to the one on a socket; /secure to the one with TLS."""
    server = """
  server {
    listen 127.0.0.1:%s;
    %s
    location / { proxy_pass http://127.0.0.1:%d; }
    location /unix { proxy_pass http://unix:%s:/; }
    location /secure {
      proxy_pass https://127.0.0.1:%d;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate %s;
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
    }
    location /basic {
      auth_basic "the interop tests";
      auth_basic_user_file %s;
      proxy_pass http://127.0.0.1:%d;
    }
    location /away { return 302 /unix; }
    location /gone { proxy_pass http://127.0.0.1:1; }
  }"""
    users = passwords("nginx.users", "-apr1")

    def one(port, more=""):
        return server % (port, more, lab.echo.port, WORK / "echo.sock", lab.echo_chained.port, lab.ca, users, lab.echo.port)

    def tls(name, more=""):
        files = "ssl_certificate %s.pem; ssl_certificate_key %s.key;" % ((lab.certs / name,) * 2)
        return files + more

    lab.echo_unix  # must be there before
    return write("nginx.conf", """
daemon off;
%s
pid %s/nginx.pid;
error_log stderr notice;
events { }
http {
  access_log off;
  client_body_temp_path %s/nginx.body;
  proxy_temp_path %s/nginx.proxy;
  fastcgi_temp_path %s/nginx.fastcgi;
  uwsgi_temp_path %s/nginx.uwsgi;
  scgi_temp_path %s/nginx.scgi;
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection "upgrade";
  proxy_set_header Host $host;
%s
}
""" % ("user root;" if os.getuid() == 0 else "", *[WORK] * 6, "".join([
        one(ports["plain"]),
        one("%d ssl" % ports["tls"], tls("chained")),
        one("%d ssl" % ports["tls12"], tls("rsa", " ssl_protocols TLSv1.2;")),
        one("%d ssl" % ports["mutual"], tls("server", " ssl_client_certificate %s; ssl_verify_client on;"
                                                      % (lab.certs / "client_ca.pem"))),
        one(ports["broken"], "return 503;"),
    ])))


def haproxy(lab, ports):
    def listen(name, bind, server, mode="http"):
        return "listen %s\n  mode %s\n  bind 127.0.0.1:%d %s\n  server s %s\n" % (name, mode, ports[name], bind, server)

    def to(server, more=""):
        return "127.0.0.1:%d %s" % (server.port, more)

    certificate = "ssl crt %s" % (lab.certs / "server.both.pem")
    text = """
global
  log stderr format raw daemon
  maxconn 200
defaults
  log global
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 30s
""" + "".join([
        listen("plain", "", to(lab.echo)),
        listen("tls", certificate, to(lab.echo)),
        listen("v1", "", to(lab.echo_proxied, "send-proxy")),
        listen("v2", "", to(lab.echo_proxied, "send-proxy-v2")),
        listen("tls_v2", "", to(lab.echo_tls_proxied, "send-proxy-v2"), mode="tcp"),
        listen("to_tls", "", to(lab.echo_tls, "ssl verify required ca-file %s sni str(localhost)" % lab.ca)),
        listen("unix_v2", "", "unix@%s send-proxy-v2" % (WORK / "proxied.sock")),
        listen("tls_to_proxy", certificate, to(lab.tinyproxy), mode="tcp"),
    ])
    lab.echo_unix_proxied  # must be there before
    return write("haproxy.cfg", text)


def apache(lab, port):
    """Digest and Basic in front of our echo_server, through mod_proxy_wstunnel."""
    realm = "the interop tests"
    write("apache.digest", "%s:%s:%s\n" % (USER, realm, hashlib.md5(
        ("%s:%s:%s" % (USER, realm, PASSWORD)).encode()).hexdigest()))
    basic = passwords("apache.basic", "-apr1")
    modules = "/usr/lib/apache2/modules"
    load = "".join("LoadModule %s_module %s/mod_%s.so\n" % (name, modules, name) for name in [
        "mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "auth_digest", "proxy",
        "proxy_http", "proxy_wstunnel"])
    return write("apache.conf", load + """
ServerRoot %s
ServerName localhost
Listen 127.0.0.1:%d
PidFile %s/apache.pid
DefaultRuntimeDir %s
Mutex file:%s default
ErrorLog /dev/stderr
ProxyPass / ws://127.0.0.1:%d/
<Location /digest>
  AuthType Digest
  AuthName "%s"
  AuthUserFile %s/apache.digest
  Require valid-user
</Location>
<Location /basic>
  AuthType Basic
  AuthName "%s"
  AuthUserFile %s
  Require valid-user
</Location>
""" % (WORK, port, WORK, WORK, WORK, lab.echo.port, realm, WORK, realm, basic))


def squid(lab, ports):
    """One port for everybody, one with a password, one with TLS. It knows the name echo.test, which nobody else does."""
    home = WORK / "squid"
    home.mkdir(exist_ok=True)
    (home / "hosts").write_text("127.0.0.1 echo.test localhost\n")
    shutil.copy(passwords("squid.users", "-apr1"), home / "users")
    if os.getuid() == 0:
        user = pwd.getpwnam("proxy")
        os.chown(home, user.pw_uid, user.pw_gid)
    helper = "/usr/lib/squid/basic_ncsa_auth"
    return write("squid.conf", """
http_port 127.0.0.1:%d
http_port 127.0.0.1:%d
https_port 127.0.0.1:%d tls-cert=%s
acl protected localport %d
acl forbidden dstdomain forbidden.test
auth_param basic program %s %s/users
auth_param basic children 1
auth_param basic realm the interop tests
acl known proxy_auth REQUIRED
http_access deny forbidden
http_access allow !protected
http_access allow known
http_access deny all
hosts_file %s/hosts
tcp_outgoing_address 127.0.0.5
cache deny all
cache_mem 8 MB
max_filedescriptors 256
pid_filename none
access_log none
cache_log /dev/stderr
coredump_dir %s
shutdown_lifetime 0 seconds
""" % (ports["open"], ports["protected"], ports["tls"], lab.certs / "server.both.pem", ports["protected"],
       helper, home, home, home))


def tinyproxy(name, port, more):
    hosts = write(name + ".filter", "forbidden\\.test\n")
    return write(name + ".conf", """
Listen 127.0.0.1
Port %d
Bind 127.0.0.6
Timeout 30
MaxClients 20
LogLevel Info
Filter "%s"
%s""" % (port, hosts, more))
