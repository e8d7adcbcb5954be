"""Caddy and nginx in front of a daemon that asks for tokens: names, tokens, scopes, events and limits through each of them.

The configurations are those of docs/access.md, on loopback and without TLS.
"""

import base64
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

BINARY = os.path.abspath(sys.argv[1])
NAME = "status.example.com"
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "access.md"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def fenced(language, after):
    """The code block of the docs that follows these words."""
    text = DOCS.read_text().split(after, 1)[1]
    return re.search(r"```" + language + r"\n(.*?)```", text, re.S).group(1)


def ask(port, path, token=None, method="GET", body=None, headers=None, name=NAME):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=body)
    request.add_header("Host", name)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    for key, value in (headers or {}).items():
        request.add_header(key, value)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def until(what, check, patience=15):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            found = check()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come")


def new_token(scope):
    made = subprocess.run([BINARY, "token", "new", "--name", scope, "--scope", scope], capture_output=True, text=True, check=True)
    return made.stdout.strip(), made.stderr


def is_expected(what, found, wanted):
    assert found == wanted, f"{what}: {found}, not {wanted}"
    print(f"  {what}: {found}")


def through(proxy, port, tokens):
    """What a client sees through the proxy."""
    print(proxy)
    read, report, admin = (tokens[scope] for scope in ("read", "report", "admin"))
    basic = base64.b64encode(f"me:{read}".encode()).decode()
    order = json.dumps({"targets": ["ollama"], "for": "1m"}).encode()
    own = {"Content-Type": "application/json"}
    is_expected("the page, by anybody", ask(port, "/")[0], 200)
    is_expected("observations, by anybody", ask(port, "/v1/observations")[0], 401)
    is_expected("observations, with a token", ask(port, "/v1/observations", read)[0], 200)
    is_expected("observations, with a password", ask(port, "/v1/observations", headers={"Authorization": f"Basic {basic}"})[0], 200)
    is_expected("a pause, by anybody", ask(port, "/v1/admin/pause", None, "POST", order, own)[0], 401)
    is_expected("a pause, by a reporter", ask(port, "/v1/admin/pause", report, "POST", order, own)[0], 403)
    is_expected("a pause, by an administrator", ask(port, "/v1/admin/pause", admin, "POST", order, own)[0], 201)
    cross = {**own, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    is_expected("a pause, by another site's page", ask(port, "/v1/admin/pause", admin, "POST", order, cross)[0], 403)
    same = {**own, "Origin": f"https://{NAME}"}
    is_expected("a pause, by our own page", ask(port, "/v1/admin/pause", admin, "POST", order, same)[0], 201)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/events", headers={"Host": NAME})
    with urllib.request.urlopen(request, timeout=10) as events:
        began = time.monotonic()
        seen = b""
        while seen.count(b"event: heartbeat") < 1:
            seen += events.readline()
        waited = time.monotonic() - began
    assert b"event: snapshot" in seen and waited < 8, (seen, waited)
    print(f"  events: a snapshot, and a heartbeat after {waited:.1f} s")
    # A client that guesses is told to stop, and nobody else is.
    codes = [ask(port, "/v1/observations", "nobody-knows-this-one-0123456789", headers={"X-Forwarded-For": "198.51.100.7"})[0] for _ in range(2)]
    assert codes == [401, 401], codes


def main():
    with tempfile.TemporaryDirectory(prefix="endturn-access-") as place:
        place = pathlib.Path(place)
        port, caddy_port, nginx_port = free_port(), free_port(), free_port()
        tokens, entries = {}, ""
        for scope in ("read", "report", "admin"):
            tokens[scope], entry = new_token(scope)
            entries += entry
        section = fenced("toml", "brings TLS:").replace("127.0.0.1:7411", f"127.0.0.1:{port}")
        (place / "endturn.toml").write_text(
            section
            + entries
            + f'[store]\npath = "{place}/endturn.db"\n[network]\nanchors = []\n'
            + '[[provider]]\nid = "ollama"\nbase_url = "http://127.0.0.1:1"\nmodels = ["m"]\ncanary = false\n'
        )
        site = fenced("", "certificate by itself:").replace("127.0.0.1:7411", f"127.0.0.1:{port}")
        caddyfile = "{\n\tadmin off\n\tauto_https off\n}\n" + site.replace(NAME + " {", f"http://{NAME}:{caddy_port} {{\n\tbind 127.0.0.1", 1)
        (place / "Caddyfile").write_text(caddyfile)
        location = fenced("nginx", "with your certificate:").replace("127.0.0.1:7411", f"127.0.0.1:{port}")
        (place / "nginx.conf").write_text(
            f"daemon off; pid {place}/nginx.pid; error_log stderr warn; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;"
            f" uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n"
            f"server {{ listen 127.0.0.1:{nginx_port}; server_name {NAME};\n{location}}} }}\n"
        )
        env = {**os.environ, "HOME": str(place), "XDG_DATA_HOME": str(place), "XDG_CONFIG_HOME": str(place)}
        log = open(place / "log", "w")
        children = [
            subprocess.Popen(command, env=env, stdout=log, stderr=log)
            for command in (
                [BINARY, "run", "-c", str(place / "endturn.toml")],
                ["caddy", "run", "--config", str(place / "Caddyfile"), "--adapter", "caddyfile"],
                ["nginx", "-c", str(place / "nginx.conf"), "-p", str(place)],
            )
        ]
        try:
            for one in (port, caddy_port, nginx_port):
                until(f"port {one}", lambda one=one: ask(one, "/livez")[0] == 200)
            through("Caddy", caddy_port, tokens)
            through("nginx", nginx_port, tokens)
            is_expected("another name, straight at endturn", ask(port, "/", name="evil.example")[0], 421)
        except BaseException:
            print((place / "log").read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(timeout=20)


main()
