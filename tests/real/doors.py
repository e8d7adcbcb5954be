"""Two model servers, a daemon that watches them and somebody who asks them through a load balancer.

For haproxy.py, caddy.py, nginx.py and envoy.py: what is the same there, whoever balances.
"""

import contextlib
import functools
import http.client
import json
import os
import signal
import socket
import threading
import time
import urllib.request

import support

MODEL = "llama-3.1-8b"
# The servers answer to any name: this one tells the client's requests from the daemon's.
CLIENT_MODEL = "llama-of-a-client"
TARGETS = [f"first/{MODEL}", f"second/{MODEL}"]
START_S = 20
# How often the client asks.
EVERY_S = 0.05
# Until endturn is sure; until a recovered server is let back (docs/detection.md).
DETECTS_S, RECOVERS_S = 15, 90

print = functools.partial(print, flush=True)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def ask(port, path, method="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def wait(what, seconds, ready):
    """The time that it took, in seconds."""
    begun = time.monotonic()
    while not ready():
        if time.monotonic() - begun > seconds:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - begun


class Client(threading.Thread):
    """Asks for streamed replies one after the other and notes each outcome with its time."""

    BODY = json.dumps(
        {"model": CLIENT_MODEL, "stream": True, "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
    )

    HEADERS = {"content-type": "application/json", "authorization": "Bearer none"}

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.over, self.seen = port, threading.Event(), []

    def run(self):
        while not self.over.wait(EVERY_S):
            at = time.monotonic()
            self.seen.append((at, self.one()))

    def one(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            with contextlib.closing(connection):
                connection.request("POST", "/openai/v1/chat/completions", self.BODY, self.HEADERS)
                answer = connection.getresponse()
                text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        if answer.status != 200:
            return str(answer.status)
        return "whole" if b"data: [DONE]" in text else "cut"

    def outcomes(self, since, until=None):
        """How often what came out of requests of that time."""
        counts = {}
        for at, outcome in list(self.seen):
            if at >= since and (until is None or at < until):
                counts[outcome] = counts.get(outcome, 0) + 1
        return counts


class World:
    """The model servers, the daemon and the ports that a load balancer needs."""

    def __init__(self, stack, binary, work):
        self.stack, self.binary, self.work = stack, binary, work
        *self.models, self.daemon_port, self.agent_port, self.front_port = free_ports(5)
        for number, port in enumerate(self.models):
            argv = [binary, "simulate", "--listen", f"127.0.0.1:{port}"]
            url = f"http://127.0.0.1:{port}/control/log"
            stack.enter_context(support.serving(argv, work / f"model{number}.log", url, START_S))
        providers = [
            f'[[provider]]\nid = "{target.split("/")[0]}"\npreset = "openai-compatible"\n'
            f'base_url = "http://127.0.0.1:{port}/openai/v1"\napi_key = {{ env = "DOORS_KEY" }}\nmodels = ["{MODEL}"]\nfree = true\npolite = false\n'
            'reach = { every = "500ms" }\ncanary = { every = "500ms" }\nlong = false\n'
            for target, port in zip(TARGETS, self.models)
        ]
        (work / "endturn.toml").write_text(
            f'[server]\nlisten = "127.0.0.1:{self.daemon_port}"\nagent = "127.0.0.1:{self.agent_port}"\n'
            '[store]\npath = "endturn.db"\n[network]\nanchors = []\n' + "".join(providers),
            encoding="utf-8",
        )
        self.daemon = None
        self.start()

    def start(self):
        """The daemon, once both servers are known to be well."""
        serving = support.serving(
            [self.binary, "run", "-c", self.work / "endturn.toml"],
            self.work / "endturn.log",
            f"http://127.0.0.1:{self.daemon_port}/readyz",
            START_S,
            {"DOORS_KEY": "none"},
        )
        self.daemon = self.stack.enter_context(serving)

    def hint(self, number):
        return ask(self.daemon_port, f"/v1/health/{TARGETS[number]}")["routing"]["hint"]

    def state(self, number):
        return ask(self.daemon_port, f"/v1/health/{TARGETS[number]}")["state"]

    def well(self):
        return [self.state(number) for number in range(2)] == ["operational"] * 2

    def fault(self, number, fault):
        """Sets a fault of one model server; None clears it."""
        ask(self.models[number], "/control/faults/openai", "PUT" if fault else "DELETE", fault)

    def landed(self, number):
        """How many requests of the client, not of the daemon, have come to that server."""
        log = ask(self.models[number], "/control/log")["entries"]
        return sum(entry["model"] == CLIENT_MODEL for entry in log)

    def last_landing(self, number):
        """When the client's last request came to that server, on our own clock; 0 if none did."""
        log = ask(self.models[number], "/control/log")
        ages = [log["now_us"] - entry["arrival_us"] for entry in log["entries"] if entry["model"] == CLIENT_MODEL]
        return time.monotonic() - min(ages) / 1e6 if ages else 0.0


def prefers_the_first(world, client, obeys_s, gone_s):
    """What a balancer must show that asks the first server while it is up, and the second one else.

    obeys_s: from endturn's word to the last request that still lands; gone_s: from endturn's end to traffic as without it.
    """

    def asked(number):
        before = world.landed(number)
        return lambda: world.landed(number) > before

    wait("both servers are well", 30, world.well)
    client.start()
    wait("the first server is asked", 10, asked(0))

    print("first cuts every reply under HTTP 200")
    world.fault(0, {"kind": "truncate", "at": 0.5, "how": "fin", "rate": 1.0})
    detected = wait("endturn advises against it", DETECTS_S, lambda: world.hint(0) == "avoid")
    advised = time.monotonic()
    wait("the other one is asked", obeys_s + 1, asked(1))
    time.sleep(obeys_s)
    late = max(0.0, world.last_landing(0) - advised)
    print(f"     detected after {detected:.2f} s, the last request landed there {late:.2f} s later")
    support.check(f"it is left alone within {obeys_s} s", late <= obeys_s, True)
    landed, since = world.landed(0), time.monotonic()
    time.sleep(3)
    support.check("requests that still land on it in 3 s", world.landed(0) - landed, 0)
    support.check("what the client gets meanwhile", list(client.outcomes(since, time.monotonic() - 1)), ["whole"])

    print("first is well again")
    world.fault(0, None)
    back = wait("it is let back", RECOVERS_S, asked(0))
    print(f"     asked again after {back:.1f} s")

    print("first breaks again, and endturn is killed while it is out")
    world.fault(0, {"kind": "status", "code": 529, "rate": 1.0})
    wait("endturn advises against it", DETECTS_S, lambda: world.hint(0) == "avoid")
    time.sleep(obeys_s)
    wait("the other one is asked", 5, asked(1))
    before = asked(0)
    os.killpg(world.daemon.pid, signal.SIGKILL)
    released = wait("traffic goes on as without endturn", gone_s, before)
    print(f"     the first one is asked again {released:.1f} s after the kill")

    print("endturn is started again and finds the same")
    world.start()
    wait("the other one is asked", DETECTS_S + obeys_s, asked(1))
    since = time.monotonic()
    time.sleep(1.5)
    support.check("the client gets whole replies again", client.outcomes(since).get("whole", 0) > 0, True)
    client.over.set()
