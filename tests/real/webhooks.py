"""What arrives at a webhook, verified by the package of those who wrote the specification."""

import base64
import http.server
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import threading

from standardwebhooks import Webhook, WebhookVerificationError
from support import check, finish

binary = sys.argv[1]
seen = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        seen.append((self.path, dict(self.headers), body))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        pass


def new_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
work = pathlib.Path(tempfile.mkdtemp(prefix="endturn-webhooks-"))
env = {
    "HOOK_URL": f"http://127.0.0.1:{server.server_address[1]}/hook",
    "NEW_SECRET": new_secret(),
    "OLD_SECRET": new_secret().rstrip("="),
    "KEY": "k",
}
COMMON = """
[[channel]]
name = "{}"
type = "webhook"
url = {{ env = "HOOK_URL" }}
allow_private = true
secret = [{{ env = "NEW_SECRET" }}, {{ env = "OLD_SECRET" }}]
"""
config = work / "endturn.toml"
config.write_text(
    '[[provider]]\nid = "anthropic"\napi_key = { env = "KEY" }\n'
    + COMMON.format("envelope")
    + COMMON.format("plain")
    + 'format = "json"\n'
    + COMMON.format("own")
    + 'template = """{"text": {{ title }}, "is": "größer"}"""\n',
    encoding="utf-8",
)


def sent(channel):
    """What arrived, and whether it was told as delivered."""
    seen.clear()
    argv = [binary, "alert", "test", channel, "-c", config, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **env})
    if not done.stdout:
        raise SystemExit(done.stderr)
    check(f"{channel}: delivered", (done.returncode, json.loads(done.stdout)["delivered"]), (0, True))
    return seen[0]


def verified(secret, body, headers):
    try:
        return Webhook(secret).verify(body, headers)
    except WebhookVerificationError as why:
        return f"refused: {why}"


for channel in ("envelope", "plain", "own"):
    _, headers, body = sent(channel)
    for name in ("NEW_SECRET", "OLD_SECRET"):
        check(f"{channel}: verified with {name}", isinstance(verified(env[name], body, headers), dict), True)
    refusals = {
        "another secret": (new_secret(), body, headers),
        "another body": (env["NEW_SECRET"], body.replace(b"oncall", b"nobody") + b" ", headers),
        "another id": (env["NEW_SECRET"], body, {**headers, "webhook-id": "other"}),
        "another time": (
            env["NEW_SECRET"],
            body,
            {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)},
        ),
    }
    for what, (secret, text, head) in refusals.items():
        check(f"{channel}: {what} is refused", isinstance(verified(secret, text, head), str), True)
    if channel == "envelope":
        event = json.loads(body)
        check("the envelope", (event["specversion"], event["type"]), ("1.0", "dev.endturn.alert.v1"))
        check("its id is the message's", event["id"], headers["webhook-id"])
        check("its content type", headers["content-type"], "application/cloudevents+json")
        check("what it carries", event["data"]["kind"], "test")

server.shutdown()
finish()
