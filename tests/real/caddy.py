"""A real Caddy with integrations/caddy/Caddyfile between a client and two model servers, one of which breaks.

    caddy.py BINARY
"""

import contextlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

import support
from doors import TARGETS, Client, World, free_ports, prefers_the_first

BINARY = str(pathlib.Path(sys.argv[1]).resolve())
CONFIG = support.ROOT / "integrations/caddy/Caddyfile"
CADDY = shutil.which("caddy") or "/usr/bin/caddy"
# From endturn's word to the last request that still lands: health_interval is 1 s, and a check may be under way.
OBEYS_S = 2.5
# A check, and the half second that the file waits for endturn.
GONE_S = 6


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
    prefers_the_first(world, Client(world.front_port), OBEYS_S, GONE_S)


with tempfile.TemporaryDirectory() as directory:
    with contextlib.ExitStack() as inner:
        main(inner, pathlib.Path(directory))
support.finish()
