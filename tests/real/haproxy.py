"""A real HAProxy with integrations/haproxy/haproxy.cfg between a client and two model servers, one of which breaks.

    haproxy.py BINARY
"""

import contextlib
import functools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import support
from doors import DETECTS_S, RECOVERS_S, TARGETS, Client, World, wait

BINARY = str(pathlib.Path(sys.argv[1]).resolve())
CONFIG = support.ROOT / "integrations/haproxy/haproxy.cfg"
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"
# From endturn's word to HAProxy's deed: agent-inter is 1 s, and a check may be under way.
OBEYS_S = 2.5


print = functools.partial(print, flush=True)


def stats(path, backend, server):
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        line.sendall(b"show stat\n")
        text = b"".join(iter(lambda: line.recv(65536), b"")).decode()
    head, *rows = text.removeprefix("# ").splitlines()
    for row in rows:
        fields = dict(zip(head.split(","), row.split(",")))
        if (fields.get("pxname"), fields.get("svname")) == (backend, server):
            return fields
    raise SystemExit(f"HAProxy knows no {backend}/{server}")


def main(stack, work):
    world = World(stack, BINARY, work)
    sock = work / "haproxy.sock"
    env = {
        "HAPROXY_STATS": str(sock),
        "LLM_LISTEN": f"127.0.0.1:{world.front_port}",
        "ENDTURN": f"127.0.0.1:{world.daemon_port}",
        "ENDTURN_AGENT_PORT": str(world.agent_port),
        "FIRST": f"127.0.0.1:{world.models[0]}",
        "SECOND": f"127.0.0.1:{world.models[1]}",
        "FIRST_TARGET": TARGETS[0],
        "SECOND_TARGET": TARGETS[1],
    }
    print(subprocess.run([HAPROXY, "-v"], capture_output=True, text=True, check=True).stdout.splitlines()[0])
    stack.enter_context(support.process([HAPROXY, "-db", "-f", str(CONFIG)], work / "haproxy.log", env))
    wait("HAProxy's socket", 10, sock.exists)
    wait("both servers are well", 30, world.well)

    def server(name="first"):
        return stats(sock, "models", name)

    def takes(name="first"):
        fields = server(name)
        return "DRAIN" not in fields["status"] and "DOWN" not in fields["status"] and fields["weight"] != "0"

    def steers():
        return "UP" in stats(sock, "endturn", "endturn")["status"]

    wait("HAProxy sees endturn and both servers", 10, lambda: steers() and takes() and takes("second"))
    client = Client(world.front_port)
    client.start()
    wait("both servers are asked", 10, lambda: world.landed(0) and world.landed(1))

    print("first cuts every reply under HTTP 200")
    world.fault(0, {"kind": "truncate", "at": 0.5, "how": "fin", "rate": 1.0})
    detected = wait("endturn advises against it", DETECTS_S, lambda: world.hint(0) == "avoid")
    obeyed = wait("HAProxy takes it out", OBEYS_S, lambda: not takes())
    print(f"     detected after {detected:.2f} s, out of HAProxy {obeyed:.2f} s later: {server()['status']}")
    time.sleep(0.2)
    landed, since = world.landed(0), time.monotonic()
    time.sleep(3)
    support.check("requests that still land on it in 3 s", world.landed(0) - landed, 0)
    support.check("what the client gets meanwhile", list(client.outcomes(since, time.monotonic() - 1)), ["whole"])

    print("first is well again")
    world.fault(0, None)
    back = wait("HAProxy lets it back", RECOVERS_S, takes)
    print(f"     back after {back:.1f} s with a weight of {server()['weight']} of 200")
    support.check("it comes back by a small share", int(server()["weight"]) < 200, True)
    landed = world.landed(0)
    wait("it is asked again", 20, lambda: world.landed(0) > landed)

    print("first breaks again, and endturn is killed while it is out")
    world.fault(0, {"kind": "status", "code": 529, "rate": 1.0})
    wait("HAProxy takes it out", DETECTS_S + OBEYS_S, lambda: not takes())
    landed = world.landed(0)
    os.killpg(world.daemon.pid, signal.SIGKILL)
    released = wait("traffic goes on as without endturn", 6, lambda: world.landed(0) > landed)
    print(f"     both are asked again {released:.1f} s after the kill; the agent's last word stays: {server()['status']}")
    since = time.monotonic()
    time.sleep(1.5)
    support.check("the other one's replies are whole", client.outcomes(since).get("whole", 0) > 0, True)
    support.check("HAProxy itself refuses nobody", client.outcomes(since).get("503", 0), 0)

    print("endturn is started again, finds the same, and is stopped in order")
    world.start()
    wait("HAProxy obeys again", DETECTS_S + OBEYS_S, lambda: steers() and world.hint(0) == "avoid" and not takes())
    time.sleep(OBEYS_S)
    world.daemon.send_signal(signal.SIGTERM)
    wait("the agent takes back what it said", 6, takes)
    support.check("endturn ends well", world.daemon.wait(20), 0)
    support.check("nobody is kept out by a monitor that is gone", takes(), True)
    client.over.set()


with tempfile.TemporaryDirectory() as directory:
    with contextlib.ExitStack() as inner:
        main(inner, pathlib.Path(directory))
support.finish()
