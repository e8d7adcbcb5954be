"""Inference servers that we did not write, healthy and damaged, against `endturn probe` by the shipped presets.

    servers.py BINARY CACHE SERVER..

CACHE holds what servers.sh put there: the servers and the tiny model. Prints a line a check; exits 1 if one failed.
"""

import contextlib
import http.client
import io
import json
import os
import pathlib
import re
import socket
import sys
import tempfile
import time
import tomllib
import unicodedata

import support
from support import PROBE_S, ROOT, check, verdict

BINARY, CACHE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
PORT = int(os.environ.get("ENDTURN_REAL_PORT", "18641"))
# Longest start of a server: vLLM takes a minute on a busy machine.
START_S = 400
MODEL = "tiny"
# Generation probes beside count20.
KINDS = ("long", "json", "tool")
COUNT20 = tomllib.loads((ROOT / "probes" / "canaries" / "count20.toml").read_text(encoding="utf-8"))

# What is started and by which preset it is probed. `says`: what this version sends in a healthy stream, so that a
# change is noticed: `[DONE]`, token counts asked for, token counts not asked for. `flips`: damaged bytes to try.
SERVERS = {
    "llama-cpp": {
        "preset": "llama-cpp",
        "argv": [
            "{cache}/llama.cpp/bin/llama-server",
            *("--model", "{cache}/model/tiny.gguf", "--alias", MODEL, "--host", "127.0.0.1", "--port", "{port}"),
            *("--ctx-size", "4096", "--parallel", "1", "--threads", "1"),
        ],
        "ready": "/health",
        "says": (True, True, False),
        "flips": 120,
    },
    "llama-cpp-python": {
        "preset": "openai-compatible",
        "argv": [
            "{cache}/llama-cpp-python/bin/python",
            *("-m", "llama_cpp.server", "--model", "{cache}/model/tiny.gguf", "--model_alias", MODEL),
            *("--host", "127.0.0.1", "--port", "{port}", "--n_ctx", "4096"),
            *("--n_threads", "1", "--n_threads_batch", "1"),
        ],
        "env": {"LLAMA_CPP_LIB_PATH": "{cache}/llama.cpp/bin"},
        "ready": "/v1/models",
        "says": (True, False, False),
        "flips": 40,
    },
    "vllm": {
        "preset": "vllm",
        "argv": [
            "{cache}/vllm/bin/python",
            *("-m", "vllm.entrypoints.openai.api_server", "--model", "{cache}/model/tiny"),
            *("--served-model-name", MODEL, "--host", "127.0.0.1", "--port", "{port}", "--dtype", "float32"),
            *("--max-model-len", "4096", "--enforce-eager"),
            *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
        ],
        "env": {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
        },
        "ready": "/health",
        "says": (True, True, False),
        "flips": 16,
    },
}


@contextlib.contextmanager
def started(name, work):
    """The server, once it answers."""
    server, port = SERVERS[name], PORT
    values = {"cache": CACHE, "port": port}
    argv = [part.format(**values) for part in server["argv"]]
    env = {key: value.format(**values) for key, value in server.get("env", {}).items()}
    url = f"http://127.0.0.1:{port}{server['ready']}"
    with support.serving(argv, work / f"{name}.log", url, START_S, env) as child:
        (work / "pid").write_text(str(child.pid), encoding="utf-8")
        yield


class Stream:
    """What an independent reader makes of the bytes of an answer: as much as came before the first damage."""

    def __init__(self, raw):
        self.text, self.stops, self.done, self.usage, self.events = "", [], False, False, 0
        self.stop_at, self.size = None, len(raw)
        answer = http.client.HTTPResponse(Recorded(raw))
        body = b""
        with contextlib.suppress(http.client.HTTPException, OSError, ValueError):
            answer.begin()
            if answer.status != 200:
                return
            while data := answer.read1(1):
                body += data
        for event in re.split(rb"\r?\n\r?\n", body):
            self.event(event)

    def event(self, event):
        data = b"\n".join(
            line[5:].removeprefix(b" ") for line in re.split(rb"\r?\n", event) if line.startswith(b"data:")
        )
        if not data:
            return
        self.events += 1
        if data == b"[DONE]":
            self.done = True
            return
        with contextlib.suppress(ValueError, AttributeError, TypeError, LookupError):
            document = json.loads(data)
            self.usage = self.usage or bool(document.get("usage"))
            for choice in document.get("choices", []):
                self.text += choice["delta"].get("content") or ""
                if choice.get("finish_reason"):
                    self.stops.append(choice["finish_reason"])
                    self.stop_at = self.events - 1

    def whole(self, sentinel):
        """Whether the right words came, and a natural end. Case and signs are no words."""
        text = unicodedata.normalize("NFKC", self.text).lower()
        words = re.findall(r"[a-z]+", text)
        wanted = [*COUNT20["words"], sentinel]
        runs = (words[at : at + len(wanted)] for at in range(len(words)))
        return wanted in runs and self.stops == ["stop"]


class Recorded:
    """A socket for http.client over bytes that came."""

    def __init__(self, raw):
        self.raw = raw

    def makefile(self, _mode):
        return io.BytesIO(self.raw)


def ask(port, usage):
    """One healthy stream as it is on the wire."""
    body = {
        "model": MODEL,
        "stream": True,
        "max_tokens": 64,
        "messages": [{"role": "user", "content": COUNT20["prompt"].replace("SENTINEL_WORD", "kestrel")}],
    }
    if usage:
        body["stream_options"] = {"include_usage": True}
    text = json.dumps(body).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    raw = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PROBE_S) as sock:
        sock.sendall(head.encode() + text)
        while data := sock.recv(65536):
            raw += data
    return Stream(raw)


def probe(work, target, kind="canary"):
    return support.probe(BINARY, work / "endturn.toml", target, kind)


def config(preset, modes):
    """One provider per port of the proxy, and the server itself."""
    text = ['[store]\npath = "endturn.db"\n']
    for name, port in [("direct", PORT), *((name, port) for name, port in modes.items())]:
        gap = "4s" if name == "stall" else "40s"
        text.append(
            f'[[provider]]\nid = "{name}"\npreset = "{preset}"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
            f'models = ["{MODEL}"]\nfree = true\n'
            f'limits = {{ first_token = "60s", head = "60s", gap = "{gap}", content_gap = "{gap}" }}\n'
        )
    return "\n".join(text)


def strict(preset):
    """Whether this preset takes a missing `[DONE]` for a truncation."""
    text = (ROOT / "probes" / "providers" / f"{preset}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text).get("strict_terminal", preset == "vllm")


def run(name, work):
    server = SERVERS[name]
    preset = server["preset"]
    with started(name, work):
        healthy = ask(PORT, usage=True)
        plain = ask(PORT, usage=False)
        check(
            f"{name} sends [DONE], usage asked for, usage not asked for",
            (healthy.done, healthy.usage, plain.usage),
            server["says"],
        )
        check(f"{name} answers rightly", healthy.whole("kestrel"), True)
        stop, last = healthy.stop_at, healthy.events - 1
        lax = "truncated terminal_missing" if strict(preset) else "complete terminal_lax"
        usage = "complete" if healthy.usage else "complete usage_missing"
        rows = {
            # name: mode of the proxy, expected verdict, flags of interest
            "pass": ("pass", usage, "usage_missing"),
            "dribble": ("dribble", usage, "usage_missing"),
            "fin-early": ("fin:0", "truncated empty"),
            "fin": ("fin:6", "truncated cut"),
            "reset": ("reset:6", "truncated cut"),
            "clean": ("clean:6", "truncated cut"),
            "stall": ("stall:6", "truncated stall"),
            # The whole text came, sentinel and all; nobody said that it was the end.
            "fin-stop": (f"fin:{stop}", "truncated cut"),
            "clean-stop": (f"clean:{stop}", "truncated cut"),
            "fin-done": (f"fin:{last}", lax, "terminal_lax"),
            "no-done": ("no-done", lax, "terminal_lax"),
            "no-usage": ("no-usage", "complete usage_missing", "usage_missing"),
            "kill": ("kill:6", "truncated cut"),
        }
        modes = {row: PORT + 1 + at for at, row in enumerate(["flip", *rows])}
        # Over the whole answer; odd, so that the places are not the same of every event.
        flip = f"flip:{healthy.size // server['flips'] | 1}"
        (work / "endturn.toml").write_text(config(preset, modes), encoding="utf-8")
        ports = {modes[row]: rows[row][0] if row in rows else flip for row in modes}
        with support.proxied(PORT, work, ports):
            check(f"{name} reach", verdict(probe(work, f"direct/{MODEL}", "reach")), "complete")
            check(f"{name} direct", verdict(probe(work, f"direct/{MODEL}"), "usage_missing"), usage)
            for kind in KINDS:
                check(f"{name} {kind}", verdict(probe(work, f"direct/{MODEL}", kind)), "complete")
                for row in ("fin", "clean"):
                    found = probe(work, f"{row}/{MODEL}", kind)
                    check(f"{name} {kind} behind a proxy, {rows[row][0]}", verdict(found), "truncated cut")
            flips(name, work, server["flips"])
            for row, (mode, wanted, *flags) in rows.items():
                found = probe(work, f"{row}/{MODEL}")
                check(f"{name} behind a proxy, {mode}", verdict(found, *flags), wanted)
            # It was killed: what now answers is nobody.
            check(f"{name} after the kill", verdict(probe(work, f"direct/{MODEL}")), "errored connect")
    with started(name, work):
        check(f"{name} started again", verdict(probe(work, f"direct/{MODEL}")), "complete")


def flips(name, work, count):
    """One byte changed, in another place each time. Never complete where an independent reader misses something."""
    for stale in (work / "flips").glob("*.json"):
        stale.unlink()
    found = [probe(work, f"flip/{MODEL}") for _ in range(count)]
    tally, harmless, missed = {}, 0, []
    for number, observation in enumerate(found):
        record = flip_record(work / "flips" / f"{number:04}.json")
        sent, plain = bytes.fromhex(record["sent"]), bytes.fromhex(record["plain"])
        sentinel = sentinel_of(plain)
        kind = verdict(observation)
        tally[kind] = tally.get(kind, 0) + 1
        whole = Stream(sent).whole(sentinel)
        harmless += whole
        if observation["verdict"] == "complete" and not whole:
            place = record["place"]
            missed.append((place, plain[place - 20 : place + 20], sent[place - 20 : place + 20]))
    print(f"     {name}: {count} answers with one byte changed, {harmless} harmless to another reader: {tally}")
    check(f"{name} one byte changed, complete though something is missing", missed, [])


def flip_record(path):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError):
            return json.loads(path.read_text(encoding="utf-8"))
        time.sleep(0.05)
    raise SystemExit(f"the proxy left no {path.name}")


def sentinel_of(plain):
    """The word drawn, from the answer before the damage; the answer may have been given up before its end."""
    words = Stream(plain).text.split()
    return words[-1] if words and words[-1] in COUNT20["sentinels"] else "?"


def main():
    with tempfile.TemporaryDirectory() as directory:
        for name in sys.argv[3:]:
            work = pathlib.Path(directory) / name
            work.mkdir()
            begun = time.monotonic()
            run(name, work)
            print(f"     {name}: {time.monotonic() - begun:.0f} s")
    support.finish()


main()
