"""A real gateway between us and its upstreams: what the LiteLLM proxy makes of a reply that ends too early, and what
`endturn probe` makes of that.

    litellm.py BINARY CACHE [--write]

CACHE holds the virtual environment `litellm` (litellm.sh makes it) and, if servers.sh ran, llama.cpp and the tiny
model. The upstreams are our simulator, whose model ids carry their fault, and that real server behind our damaging
proxy. The table of docs/gateways.md is what is expected; --write writes what is found there instead.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import secrets
import sys
import tempfile

import support
from support import check, verdict

BINARY, CACHE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
WRITE = "--write" in sys.argv[3:]
TABLE = support.ROOT / "docs" / "gateways.md"
# What stands between these is ours to write.
BEGIN, END = "<!-- tests/real/litellm.sh --write: begin -->\n", "<!-- end -->"
GATEWAY = int(os.environ.get("ENDTURN_REAL_PORT", "18611"))
SIMULATOR, FIN, RESET, SERVER, DAMAGED = GATEWAY + 1, GATEWAY + 2, GATEWAY + 3, GATEWAY + 4, GATEWAY + 5
# It takes 20 to 50 s on an idle machine.
START_S, ANSWER_S = 240, 60

# Path and protocol in which we ask (or the preset that says so), and the end of a healthy stream.
ROUTES = {
    "chat": ("/v1/chat/completions", "litellm", b"data: [DONE]"),
    "messages": ("/v1/messages", "anthropic", b"event: message_stop"),
    "responses": ("/v1/responses", "openai-responses", b'"type":"response.completed"'),
}
# Upstreams by LiteLLM's own names: provider prefix, model, base URL below the simulator.
UPSTREAMS = {
    "chat": ("openai/", "gpt-5.2", "/openai/v1"),
    "messages": ("anthropic/", "claude-haiku-4-5", "/anthropic"),
    "responses": ("openai/", "gpt-5.2", "/openai/v1"),
}
# Route and upstream: each in its own protocol, and translated.
PAIRS = [
    ("chat", "chat"),
    ("chat", "messages"),
    ("messages", "messages"),
    ("messages", "chat"),
    ("responses", "responses"),
    ("responses", "messages"),
]
FAULTS = {
    "healthy": "",
    "connection closed": "!truncate.fin",
    "connection reset": "!truncate.reset",
    "clean end": "!truncate.no_terminal",
    "clean end in mid-event": "!truncate.mid_event",
    "text cut, natural stop": "!truncate.silent",
    "error event": "!error_event",
    "no content at all": "!empty",
    "token limit": "!length",
    "status 529": "!status.529",
}
# A real server behind our proxy, by the proxy's modes.
SERVER_FAULTS = {"healthy": "pass", "connection closed": "fin:6", "connection reset": "reset:6", "clean end": "clean:6"}


def name(route, upstream, fault):
    return f"{route}-{upstream}-{fault}".replace(" ", "-").replace(",", "")


def gateway_config(server):
    """LiteLLM's file; JSON is YAML."""
    models = [{"name": "mock", "model": "openai/mock", "mock_response": "one two three four five six seven eight nine"}]
    for route, upstream in PAIRS:
        prefix, model, base = UPSTREAMS[upstream]
        for fault, suffix in FAULTS.items():
            url = f"http://127.0.0.1:{SIMULATOR}{base}"
            models.append({"name": name(route, upstream, fault), "model": f"{prefix}{model}{suffix}", "api_base": url})
    for at, fault in enumerate(SERVER_FAULTS if server else ()):
        url = f"http://127.0.0.1:{DAMAGED + at}/v1"
        models.append({"name": name("chat", "server", fault), "model": "openai/tiny", "api_base": url})
    return {
        "model_list": [
            {"model_name": model.pop("name"), "litellm_params": {"api_key": "any", **model}} for model in models
        ],
        # A retry would hide what we ask for, a cooldown would answer in place of the upstream.
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "litellm_settings": {"num_retries": 0, "request_timeout": ANSWER_S},
    }


def endturn_config(server):
    """A provider per route, and one per cut before the gateway."""
    models = {route: [] for route in ROUTES}
    for route, upstream in PAIRS:
        models[route] += [name(route, upstream, fault) for fault in FAULTS]
    if server:
        models["chat"] += [name("chat", "server", fault) for fault in SERVER_FAULTS]
    text = ['[store]\npath = "endturn.db"\n']
    for way, port in (("gateway", GATEWAY), ("fin", FIN), ("reset", RESET)):
        for route, (_, protocol, _) in ROUTES.items():
            base = f"http://127.0.0.1:{port}" + ("" if protocol == "anthropic" else "/v1")
            names = models[route] if way == "gateway" else [name(route, route, "healthy")]
            kind = "preset" if protocol == "litellm" else "protocol"
            text.append(
                f'[[provider]]\nid = "{way}-{route}"\n{kind} = "{protocol}"\nbase_url = "{base}"\nfree = true\n'
                f'api_key = {{ env = "ENDTURN_REAL_KEY" }}\nmodels = {json.dumps(names)}\n'
            )
    return "\n".join(text)


def request(route, model, stream=True):
    ask = {"model": model, "stream": stream}
    if route == "responses":
        return {**ask, "input": "count"}
    return {**ask, "max_tokens": 128, "messages": [{"role": "user", "content": "count"}]}


def fetch(port, route, model, key):
    """Status, body, and how the transfer ended for a client of HTTP."""
    path = ROUTES[route][0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    body, ending = b"", "ended"
    with contextlib.closing(connection):
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", path, json.dumps(request(route, model)), headers)
        answer = connection.getresponse()
        try:
            while data := answer.read1():
                body += data
        except http.client.IncompleteRead:
            ending = "closed early"
        except ConnectionResetError:
            ending = "reset"
    return answer.status, body, ending


def stop_reason(body):
    """The last stop reason, or the error, that a body names."""
    text = body.decode(errors="replace")
    stops = re.findall(r'"(?:finish_reason|stop_reason|finishReason)": ?"(\w+)"', text)
    # The responses protocol has a status instead.
    stops += re.findall(r'"type": ?"response\.(completed|incomplete|failed)"', text)
    error = "error" if re.search(r'event: error|"error": ?\{|"type": ?"error"', text) else None
    return error or (stops[-1] if stops else "none")


def told(status, body, ending):
    """What the gateway says, in a word for the table."""
    said = f"`{stop_reason(body)}`" if status == 200 else f"HTTP {status}"
    return said if ending == "ended" else f"{said}, {ending}"


def before_the_gateway(key):
    """Cut between us and the gateway: the client sees it, and so do we."""
    status, body, ending = fetch(GATEWAY, "chat", "mock", key)
    check("mock healthy", (status, ROUTES["chat"][2] in body, ending), (200, True, "ended"))
    model = name("chat", "chat", "healthy")
    check("chat gateway, reach", verdict(probe("gateway-chat", model, key, "reach")), "complete")
    # Without a database it can't look up a key, and says 400 where others say 401.
    wrong = verdict(probe("gateway-chat", model, "sk-no", "reach"))
    check("chat gateway, reach with another key", wrong, "errored invalid_request")
    for way, port, wanted in (("gateway", GATEWAY, "ended"), ("fin", FIN, "closed early"), ("reset", RESET, "reset")):
        for route, (_, _, end) in ROUTES.items():
            model = name(route, route, "healthy")
            status, body, ending = fetch(port, route, model, key)
            check(f"{route} {way}, client", (status, end in body, ending), (200, way == "gateway", wanted))
            wanted_verdict = "complete" if way == "gateway" else "truncated cut"
            check(f"{route} {way}, probe", verdict(probe(f"{way}-{route}", model, key)), wanted_verdict)


def probe(provider, model, key, kind="canary"):
    config = pathlib.Path("endturn.toml").resolve()
    return support.probe(BINARY, config, f"{provider}/{model}", kind, env={"ENDTURN_REAL_KEY": key})


def behind_the_gateway(key, server):
    """Cut between the gateway and its upstream. What it says and what we say, by column and fault."""
    cells = {}
    pairs = [(route, upstream, fault) for route, upstream in PAIRS for fault in FAULTS]
    pairs += [("chat", "server", fault) for fault in SERVER_FAULTS] if server else []
    for route, upstream, fault in pairs:
        model = name(route, upstream, fault)
        says = told(*fetch(GATEWAY, route, model, key))
        found = probe(f"gateway-{route}", model, key)
        what = f"{route} over {upstream}, {fault}"
        cells[column(route, upstream), fault] = f"{says}: {verdict(found, 'forged')}"
        # Whatever the table says: a cut is never complete, and an ending that the gateway made up is called so.
        check(f"{what}, complete", found["verdict"] == "complete", fault == "healthy")
        made_up = says in ("`stop`", "`end_turn`", "`completed`") and fault != "healthy"
        check(f"{what}, forged", "forged" in found["flags"], made_up)
    return cells


def column(route, upstream):
    if upstream == "server":
        return "chat over llama.cpp"
    return route if route == upstream else f"{route} over {'Anthropic' if upstream == 'messages' else 'OpenAI'}"


def table(cells):
    """A row a fault, a column a way."""
    columns = list(dict.fromkeys(way for way, _ in cells))
    lines = ["| before the gateway | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for fault in FAULTS:
        lines.append(f"| {fault} | " + " | ".join(cells.get((way, fault), "") for way in columns) + " |")
    return "\n".join(lines) + "\n"


def read_table(text):
    """The cells of such a table."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.strip().splitlines()]
    return {(way, row[0]): cell for row in rows[2:] for way, cell in zip(rows[0][1:], row[1:])}


def compare(cells):
    """Against the documentation, cell by cell: another version of the gateway may say something else."""
    before, rest = TABLE.read_text(encoding="utf-8").split(BEGIN)
    ours, after = rest.split(END)
    if WRITE:
        TABLE.write_text(before + BEGIN + table(cells) + END + after, encoding="utf-8")
        return
    documented = read_table(ours)
    for (way, fault), cell in cells.items():
        check(f"docs/gateways.md, {way}, {fault}", cell, documented.get((way, fault)))


def main():
    # It starts with a master key alone: one of our own for this run. It reaches only what we started, on loopback.
    key = "sk-" + secrets.token_hex(24)
    binary = CACHE / "llama.cpp" / "bin" / "llama-server"
    server = binary.exists() and (CACHE / "model" / "tiny.gguf").exists()
    if not server:
        print("no real server in the cache (tests/real/servers.sh puts it there): the simulator alone is upstream")
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        os.chdir(directory)
        work = pathlib.Path(directory)
        (work / "gateway.yaml").write_text(json.dumps(gateway_config(server)), encoding="utf-8")
        (work / "endturn.toml").write_text(endturn_config(server), encoding="utf-8")
        stack.enter_context(
            support.serving(
                [BINARY, "simulate", "--listen", f"127.0.0.1:{SIMULATOR}"],
                work / "simulator.log",
                f"http://127.0.0.1:{SIMULATOR}/control/faults",
                support.PROXY_S,
            )
        )
        if server:
            model = CACHE / "model" / "tiny.gguf"
            argv = [binary, "--model", model, "--alias", "tiny", "--host", "127.0.0.1", "--port", str(SERVER)]
            argv += ["--ctx-size", "4096", "--parallel", "1", "--threads", "1"]
            url = f"http://127.0.0.1:{SERVER}/health"
            stack.enter_context(support.serving(argv, work / "server.log", url, START_S))
            modes = {DAMAGED + at: mode for at, mode in enumerate(SERVER_FAULTS.values())}
            stack.enter_context(support.proxied(SERVER, work, modes))
        argv = [CACHE / "litellm" / "bin" / "litellm", "--config", work / "gateway.yaml", "--host", "127.0.0.1"]
        env = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        url = f"http://127.0.0.1:{GATEWAY}/health/liveliness"
        argv += ["--port", str(GATEWAY)]
        stack.enter_context(support.serving(argv, work / "gateway.log", url, START_S, env))
        stack.enter_context(support.proxied(GATEWAY, work, {FIN: "fin:8", RESET: "reset:8"}))
        before_the_gateway(key)
        compare(behind_the_gateway(key, server))
    support.finish()


main()
