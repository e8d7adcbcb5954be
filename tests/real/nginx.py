"""A real nginx with integrations/nginx between a client and two model servers, one of which breaks.

    nginx.py BINARY
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
from doors import DETECTS_S, RECOVERS_S, TARGETS, Client, World, wait

BINARY = str(pathlib.Path(sys.argv[1]).resolve())
FILES = support.ROOT / "integrations/nginx"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
# From endturn's word to the last request that still lands: a reload.
OBEYS_S = 2.5
# An endturn that is gone is not believed for longer than its feed is fresh.
STALE_S = 20

print = functools.partial(print, flush=True)


def main(stack, work):
    world = World(stack, BINARY, work)
    config, upstream = work / "nginx.conf", work / "endturn-upstream.conf"
    text = (FILES / "nginx.conf").read_text(encoding="utf-8")
    assert "127.0.0.1:7480" in text
    config.write_text(text.replace("127.0.0.1:7480", f"127.0.0.1:{world.front_port}"), encoding="utf-8")
    nginx = [NGINX, "-p", str(work), "-c", str(config), "-e", str(work / "nginx.log")]
    servers = [f"{target}=127.0.0.1:{port}" for target, port in zip(TARGETS, world.models)]
    follow = [sys.executable, str(FILES / "follow.py"), "--out", str(upstream)]
    follow += ["--feed", f"http://127.0.0.1:{world.daemon_port}", "--reload", " ".join([*nginx, "-s", "reload"])]
    print(subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr.strip())
    wait("both servers are well", 30, world.well)
    follower = stack.enter_context(support.process([*follow, *servers], work / "follow.log"))
    wait("the upstream is written", 10, upstream.exists)
    stack.enter_context(support.process([*nginx, "-g", "daemon off;"], work / "nginx.out"))
    wait("nginx listens", 10, lambda: support.open_port(world.front_port))
    client = Client(world.front_port)
    client.start()
    wait("both servers are asked", 10, lambda: world.landed(0) and world.landed(1))

    def written():
        return upstream.read_text(encoding="utf-8").splitlines()[3].split()[2]

    print("first cuts every reply under HTTP 200")
    world.fault(0, {"kind": "truncate", "at": 0.5, "how": "fin", "rate": 1.0})
    detected = wait("endturn advises against it", DETECTS_S, lambda: world.hint(0) == "avoid")
    advised = time.monotonic()
    time.sleep(OBEYS_S)
    late = max(0.0, world.last_landing(0) - advised)
    print(f"     detected after {detected:.2f} s, the last request landed there {late:.2f} s later")
    support.check(f"it is left alone within {OBEYS_S} s", late < OBEYS_S, True)
    landed, since = world.landed(0), time.monotonic()
    time.sleep(3)
    support.check("requests that still land on it in 3 s", world.landed(0) - landed, 0)
    support.check("what the client gets meanwhile", list(client.outcomes(since, time.monotonic() - 1)), ["whole"])

    print("first is well again")
    world.fault(0, None)
    back = wait("nginx lets it back", RECOVERS_S, lambda: written() != "down")
    print(f"     back after {back:.1f} s with {written()} of 100")
    support.check("it comes back by a small share", written(), "weight=5")
    landed = world.landed(0)
    wait("it is asked again", 20, lambda: world.landed(0) > landed)

    print("first breaks again, and endturn is killed while it is out")
    world.fault(0, {"kind": "status", "code": 529, "rate": 1.0})
    wait("nginx leaves it out", DETECTS_S + OBEYS_S, lambda: written() == "down")
    time.sleep(OBEYS_S)
    landed = world.landed(0)
    os.killpg(world.daemon.pid, signal.SIGKILL)
    released = wait("traffic goes on as without endturn", STALE_S, lambda: world.landed(0) > landed)
    print(f"     both are asked again {released:.1f} s after the kill")

    print("endturn is started again, finds the same, and the follower ends")
    world.start()
    wait("nginx leaves it out", DETECTS_S + OBEYS_S, lambda: written() == "down")
    follower.send_signal(signal.SIGTERM)
    support.check("the follower ends well", follower.wait(10), 0)
    support.check("and lets everybody in", written(), "weight=100")
    client.over.set()


with tempfile.TemporaryDirectory() as directory:
    os.chmod(directory, 0o755)
    with contextlib.ExitStack() as inner:
        main(inner, pathlib.Path(directory))
support.finish()
