"""Helpers of litellm.sh: wait for a URL, cut connections, read a probe's verdict."""

import json
import socket
import struct
import sys
import threading
import time
import urllib.error
import urllib.request


def wait(url, seconds, pid=None):
    """Until the URL answers, at most so many seconds, and no longer than the process lives."""
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.25)
        if pid and not alive(pid):
            sys.exit(f"the process behind {url} is gone")
    sys.exit(f"{url} did not answer within {seconds} s")


def alive(pid):
    """Whether the process runs; one that ended and waits for its parent doesn't."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pump(source, sink):
    """Everything from the client to the gateway."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass


def serve(client, upstream_port, limit, how):
    """One connection: the gateway's bytes up to the limit, then the cut."""
    with client, socket.create_connection(("127.0.0.1", upstream_port)) as upstream:
        up = threading.Thread(target=pump, args=(client, upstream), daemon=True)
        up.start()
        left = limit
        while left > 0:
            data = upstream.recv(min(65536, left))
            if not data:
                return
            client.sendall(data)
            left -= len(data)
        if how == "reset":
            # Linger of no length: close sends RST. A moment for the client to read what was sent.
            time.sleep(0.2)
            # A receive that still waits would keep the socket open past its close.
            client.shutdown(socket.SHUT_RD)
            up.join(timeout=5)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            client.shutdown(socket.SHUT_WR)


def cut(port, upstream_port, limit, how):
    """Listens on the port until killed. A short answer passes whole."""
    listener = socket.create_server(("127.0.0.1", int(port)))
    while True:
        client, _ = listener.accept()
        args = (client, int(upstream_port), int(limit), how)
        threading.Thread(target=serve, args=args, daemon=True).start()


def verdict(path):
    """Prints the verdict's family; what is no verdict is told as it is."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        document = json.loads(text)
    except ValueError:
        print(f"no JSON: {text[:200]!r}")
        return
    for report in document if isinstance(document, list) else [document]:
        found = report.get("verdict")
        if isinstance(found, dict):
            found = found.get("family")
        print(str(found).split("(")[0] if found else f"no verdict: {text[:200]!r}")


{"wait": wait, "cut": cut, "verdict": verdict}[sys.argv[1]](*sys.argv[2:])
