"""The Python package's client calls our tools, over both transports, in both generations of the protocol."""

import asyncio
import json
import pathlib
import socket
import sys
import tempfile
import time
import urllib.request

from mcp import Client, StdioServerParameters
from support import check, finish, serving

binary = sys.argv[1]

CUT, WELL = "anthropic/claude-haiku-4-5", "openai/gpt-5.2"
# How the client greets, and which generation comes of it.
MODES = {"auto": "2026-07-28", "legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
TOOLS = ["provider_health", "recent_failures", "route", "validate_reply"]
STREAM = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def until_avoided(port):
    until = time.monotonic() + 30
    while ask(port, f"/v1/health/{CUT}")["routing"]["hint"] != "avoid":
        if time.monotonic() > until:
            raise SystemExit("the cut was not found")
        time.sleep(0.1)


async def tools(name, server, mode):
    async with Client(server, mode=mode, read_timeout_seconds=20) as client:
        check(f"{name}: protocol", str(client.protocol_version), MODES[mode])
        listed = (await client.list_tools()).tools
        check(f"{name}: tools", sorted(tool.name for tool in listed), TOOLS)
        check(f"{name}: all only read", all(tool.annotations.read_only_hint for tool in listed), True)

        async def call(tool, **arguments):
            result = await client.call_tool(tool, arguments)
            return result.is_error, result.structured_content, result.content[0].text

        error, health, text = await call("provider_health", targets=[CUT])
        target = health["targets"][0]
        check(f"{name}: provider_health", (error, target["fault"], target["why"]["code"]), (False, "provider", "truncated"))
        check(f"{name}: its text", "it is the provider" in text, True)
        check(f"{name}: how fresh", health["fresh"] and health["as_of"] < health["stale_after"], True)
        error, route, _ = await call("route", name="coding")
        check(f"{name}: route", (error, route["route"]["decision"], route["route"]["target"]), (False, "use", WELL))
        error, failures, _ = await call("recent_failures", target=CUT, limit=3)
        seen = failures["failures"]
        check(
            f"{name}: recent_failures",
            (error, len(seen), {item["verdict"] for item in seen}),
            (False, 3, {"truncated"}),
        )
        check(f"{name}: last words", all(item["from_provider"]["last_words"] for item in seen), True)
        error, reply, _ = await call("validate_reply", stream=STREAM, protocol="openai-chat")
        check(f"{name}: validate_reply", (error, reply["whole"], reply["advice"]), (False, False, "retry_elsewhere"))
        error, _, text = await call("recent_failures", limit=21)
        check(f"{name}: a wrong call", (error, text), (True, "limit is 21, allowed are 1 to 20"))


async def alone(server):
    """Without a daemon it starts, and says so."""
    async with Client(server, mode="auto", read_timeout_seconds=20) as client:
        result = await client.call_tool("provider_health", {})
        told = result.content[0].text
        check("stdio without a daemon", (result.is_error, "endturn is not reachable" in told), (True, True))
        result = await client.call_tool("validate_reply", {"text": "Done.", "stop_reason": "stop"})
        check("the gate needs none", result.structured_content["whole"], True)


async def all_of(port):
    stdio = StdioServerParameters(command=binary, args=["mcp", "--url", f"http://127.0.0.1:{port}"])
    for mode in MODES:
        await tools(f"stdio, {mode}", stdio, mode)
        await tools(f"http, {mode}", f"http://127.0.0.1:{port}/mcp", mode)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        simulator, port = free_port(), free_port()
        asyncio.run(alone(StdioServerParameters(command=binary, args=["mcp", "--url", f"http://127.0.0.1:{port}"])))
        provider = '[[provider]]\nid = "{0}"\nbase_url = "http://127.0.0.1:{1}/{2}"\napi_key = {{ env = "KEY" }}\n'
        provider += 'models = ["{3}"]\nfree = true\npolite = false\nreach = false\ncanary = {{ every = "200ms" }}\n'
        config = f'[server]\nlisten = "127.0.0.1:{port}"\n[store]\npath = "{folder}/endturn.db"\n[network]\nanchors = []\n'
        config += provider.format("anthropic", simulator, "anthropic", "claude-haiku-4-5")
        config += provider.format("openai", simulator, "openai/v1", "gpt-5.2")
        config += f'[[route]]\nname = "coding"\ntargets = ["{CUT}", "{WELL}"]\n'
        (folder / "endturn.toml").write_text(config)
        simulate = [binary, "simulate", "--listen", f"127.0.0.1:{simulator}"]
        run = [binary, "run", "-c", str(folder / "endturn.toml")]
        log = folder / "mcp.log"
        urls = [f"http://127.0.0.1:{simulator}/control/log", f"http://127.0.0.1:{port}/livez"]
        with serving(simulate, log, urls[0], 20), serving(run, log, urls[1], 20, {"KEY": "k"}):
            fault = json.dumps({"kind": "truncate", "at": 0.6, "how": "fin", "rate": 1.0}).encode()
            address = f"http://127.0.0.1:{simulator}/control/faults/anthropic"
            urllib.request.urlopen(urllib.request.Request(address, fault, method="PUT"), timeout=10).close()
            until_avoided(port)
            asyncio.run(all_of(port))
    finish()


main()
