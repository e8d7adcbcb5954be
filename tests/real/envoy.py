"""A real Envoy with integrations/envoy/envoy.yaml between a client and two model servers, one of which breaks.

    envoy.py BINARY ENVOY
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

import support
from doors import TARGETS, Client, World, prefers_the_first, wait

BINARY, ENVOY = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2]
CONFIG = support.ROOT / "integrations/envoy/envoy.yaml"
# From endturn's word to the last request that still lands: the interval is 1 s, and a check may be under way.
OBEYS_S = 2.5
# A check that finds nobody.
GONE_S = 6


def main(stack, work):
    world = World(stack, BINARY, work)
    text = CONFIG.read_text(encoding="utf-8")
    ours = {
        "port_value: 7480": f"port_value: {world.front_port}",
        "port_value: 7411": f"port_value: {world.daemon_port}",
        "port_value: 8001": f"port_value: {world.models[0]}",
        "port_value: 8002": f"port_value: {world.models[1]}",
    }
    for there, here in ours.items():
        assert there in text, there
        text = text.replace(there, here)
    assert all(f"/v1/up/{target}" in text for target in TARGETS)
    (work / "envoy.yaml").write_text(text, encoding="utf-8")
    print(subprocess.run([ENVOY, "--version"], capture_output=True, text=True, check=True).stdout.strip(), flush=True)
    argv = [ENVOY, "-c", str(work / "envoy.yaml"), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
    stack.enter_context(support.process(argv, work / "envoy.log"))
    wait("Envoy listens", 20, lambda: support.open_port(world.front_port))
    prefers_the_first(world, Client(world.front_port), OBEYS_S, GONE_S)


with tempfile.TemporaryDirectory() as directory:
    with contextlib.ExitStack() as inner:
        main(inner, pathlib.Path(directory))
support.finish()
