"""Proxies that others wrote, as their manuals configure them, in front of a server."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from getpass import getuser
from pathlib import Path
from string import Template

from benchmarks.ports import free_port
from tests.clients import DEADLINE
from tests.conftest import need

PAUSE = 0.05
"""Seconds between two attempts to connect to a proxy that starts."""
NGINX = Template("""
daemon off;
user $user;
pid $folder/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server {
    listen $host:$port$tls;
    location / {
      proxy_pass http://$target;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $$http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_set_header Host $$host;
      proxy_set_header X-Forwarded-For $$proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $$scheme;
    }
  }
}
""")
HAPROXY = Template("""
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1h
frontend web
  bind $host:$port
  default_backend chat
backend chat
  option forwardfor
  server natter $target
""")
CADDY = Template("""
{
  admin off
  auto_https off
  storage file_system $folder
}
http://$host:$port {
  bind $host
  reverse_proxy $target
}
""")
APACHE = Template("""
ServerRoot $folder
ServerName $host
PidFile $folder/apache.pid
DefaultRuntimeDir $folder
ErrorLog /dev/stderr
Listen $host:$port
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
ProxyPass / http://$target/ upgrade=websocket
ProxyPreserveHost On
""")
CONFIGURATIONS = {"nginx": NGINX, "haproxy": HAPROXY, "caddy": CADDY, "apache2": APACHE}
STARTS: dict[str, Sequence[str]] = {
    "nginx": ("-e", "stderr", "-c"),
    "haproxy": ("-f",),
    "caddy": ("run", "--adapter", "caddyfile", "--config"),
    "apache2": ("-D", "FOREGROUND", "-f"),
}
_numbers = itertools.count()


def own_host() -> str:
    """An address of this machine that no other test has."""
    number = os.getpid() * 16 + next(_numbers) % 16
    return f"127.{1 + (number >> 16) % 250}.{(number >> 8) % 256}.{1 + number % 254}"


@contextmanager
def proxied(program: str, target: str, folder: Path, *, tls: str = "") -> Iterator[str]:
    """Run a proxy in front of `target` for the length of a block. Yields its host and port. `tls` is for nginx."""
    host, port, path = own_host(), free_port(), need(program)
    configuration = folder / f"{program}.conf"
    values = {"host": host, "port": port, "target": target, "folder": folder, "tls": tls, "user": getuser()}
    configuration.write_text(CONFIGURATIONS[program].substitute(values))
    with (folder / f"{program}.log").open("w") as log:
        process = subprocess.Popen([path, *STARTS[program], configuration], stdout=log, stderr=log)
        try:
            _wait_for(host, port, process, folder / f"{program}.log")
            yield f"{host}:{port}"
        finally:
            process.terminate()
            process.wait(DEADLINE)


def _wait_for(host: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection((host, port), DEADLINE).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PAUSE)  # a proxy that ended didn't start
                raise AssertionError(log.read_text()) from None
        else:
            return
