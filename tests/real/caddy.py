"""A real Caddy with integrations/caddy/Caddyfile between a client and two model servers, one of which breaks.

    caddy.py BINARY
"""

import contextlib
import functools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import support
from doors import TARGETS, Client, World, free_ports, wait

BINARY = str(pathlib.Path(sys.argv[1]).resolve())
CONFIG = support.ROOT / "integrations/caddy/Caddyfile"
CADDY = shutil.which("caddy") or "/usr/bin/caddy"
# From endturn's word to the last request that still lands: health_interval is 1 s, and a check may be under way.
OBEYS_S = 2.5
# Until endturn is sure; until a recovered server is let back (docs/detection.md).
DETECTS_S, RECOVERS_S = 15, 60

print = functools.partial(print, flush=True)


def main(stack, work):
    world = World(stack, BINARY, work)
    doors = free_ports(2)
    env = {
        "LLM_PORT": str(world.front_port),
        "ENDTURN": f"127.0.0.1:{world.daemon_port}",
        "FIRST": f"127.0.0.1:{world.models[0]}",
        "SECOND": f"127.0.0.1:{world.models[1]}",
        "FIRST_TARGET": TARGETS[0],
        "SECOND_TARGET": TARGETS[1],
        "FIRST_DOOR": str(doors[0]),
        "SECOND_DOOR": str(doors[1]),
        "HOME": str(work),
        "XDG_CONFIG_HOME": str(work),
        "XDG_DATA_HOME": str(work),
    }
    print(subprocess.run([CADDY, "version"], capture_output=True, text=True, check=True).stdout.strip())
    argv = [CADDY, "run", "--config", str(CONFIG), "--adapter", "caddyfile"]
    stack.enter_context(support.process(argv, work / "caddy.log", env))
    wait("both servers are well", 30, world.well)
    client = Client(world.front_port)
    client.start()
    wait("the first server is asked", 10, lambda: world.landed(0))

    def asked(number):
        """Whether new requests land there."""
        before = world.landed(number)
        return lambda: world.landed(number) > before

    print("first cuts every reply under HTTP 200")
    world.fault(0, {"kind": "truncate", "at": 0.5, "how": "fin", "rate": 1.0})
    detected = wait("endturn advises against it", DETECTS_S, lambda: world.hint(0) == "avoid")
    advised = time.monotonic()
    wait("the other one is asked", OBEYS_S + 1, asked(1))
    time.sleep(OBEYS_S)
    late = max(0.0, world.last_landing(0) - advised)
    print(f"     detected after {detected:.2f} s, the last request landed there {late:.2f} s later")
    support.check(f"it is left alone within {OBEYS_S} s", late <= OBEYS_S, True)
    landed, since = world.landed(0), time.monotonic()
    time.sleep(3)
    support.check("requests that still land on it in 3 s", world.landed(0) - landed, 0)
    support.check("what the client gets meanwhile", list(client.outcomes(since, time.monotonic() - 1)), ["whole"])

    print("first is well again")
    world.fault(0, None)
    back = wait("Caddy lets it back", RECOVERS_S, asked(0))
    print(f"     asked again after {back:.1f} s")

    print("first breaks again, and endturn is killed while it is out")
    world.fault(0, {"kind": "status", "code": 529, "rate": 1.0})
    wait("endturn advises against it", DETECTS_S, lambda: world.hint(0) == "avoid")
    time.sleep(OBEYS_S)
    wait("the other one is asked", 5, asked(1))
    landed = world.landed(0)
    os.killpg(world.daemon.pid, signal.SIGKILL)
    released = wait("traffic goes on as without endturn", 6, lambda: world.landed(0) > landed)
    print(f"     the first one is asked again {released:.1f} s after the kill")

    print("endturn is started again and finds the same")
    world.start()
    wait("the other one is asked", DETECTS_S + OBEYS_S, asked(1))
    since = time.monotonic()
    time.sleep(1.5)
    support.check("the client gets whole replies again", client.outcomes(since).get("whole", 0) > 0, True)
    client.over.set()


with tempfile.TemporaryDirectory() as directory:
    with contextlib.ExitStack() as inner:
        main(inner, pathlib.Path(directory))
support.finish()
