"""integrations/n8n/workflow.json in n8n itself: imported and run by its command line, over a provider that cuts.

Usage: n8n.py BINARY N8N
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys

from world import CUT, FIRST, ROOT, SECOND, World, world

from support import check, finish

N8N = sys.argv[2]
# Ours on the simulator, so that its log tells them from endturn's canaries.
CLIENT = {FIRST: "gpt-5.2-client", SECOND: "gpt-oss-20b-client"}
VENDORS = {"https://api.openai.com/v1": FIRST, "https://api.groq.com/openai/v1": SECOND}
# It starts anew for each run.
START_S = 180


def command(one: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "HOME": str(one.work),
        "N8N_USER_FOLDER": str(one.work),
        "N8N_ENCRYPTION_KEY": KEY,
        "N8N_DIAGNOSTICS_ENABLED": "false",
        "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
        "N8N_TEMPLATES_ENABLED": "false",
        "N8N_RUNNERS_ENABLED": "false",
        "N8N_LOG_LEVEL": "error",
        # The other engine is a native module, which does not build everywhere.
        "N8N_EXPRESSION_ENGINE": "legacy",
    }
    return subprocess.run([N8N, *arguments], capture_output=True, text=True, timeout=START_S, env=env, check=False)


KEY = secrets.token_hex(16)


def asked(one: World) -> tuple[int, int]:
    entries = one.log()["entries"]
    first, second = (sum(entry["model"] == model for entry in entries) for model in CLIENT.values())
    return first, second


def main() -> None:
    with world() as one:
        text = (ROOT / "integrations" / "n8n" / "workflow.json").read_text(encoding="utf-8")
        text = text.replace("http://127.0.0.1:7411", one.url)
        for vendor, target in VENDORS.items():
            model = target.partition("/")[2]
            named = '\\"model\\": \\"{}\\"'
            text = text.replace(vendor, one.base(target)).replace(named.format(model), named.format(CLIENT[target]))
        workflow = json.loads(text)
        (one.work / "workflow.json").write_text(text, encoding="utf-8")
        keys = [
            {**node["credentials"]["httpHeaderAuth"], "type": "httpHeaderAuth",
             "data": {"name": "Authorization", "value": "Bearer k"}}
            for node in workflow["nodes"] if "credentials" in node
        ]
        (one.work / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
        print("n8n " + command(one, "--version").stdout.strip(), flush=True)
        for kind, file in (("credentials", "keys.json"), ("workflow", "workflow.json")):
            done = command(one, f"import:{kind}", f"--input={one.work / file}")
            check(f"n8n takes the {kind}", done.returncode, 0)
            if done.returncode:
                print((done.stdout + done.stderr)[-2000:])

        def run() -> subprocess.CompletedProcess[str]:
            return command(one, "execute", f"--id={workflow['id']}", "--rawOutput")

        done = run()
        check("healthy: by the first", (done.returncode, asked(one)), (0, (1, 0)))
        one.fault(FIRST.partition("/")[0], CUT)
        one.until(FIRST, "avoid")
        done = run()
        check("`avoid`: by the second", (done.returncode, asked(one)), (0, (1, 1)))
        one.fault(SECOND.partition("/")[0], CUT)
        one.until(SECOND, "avoid")
        done = run()
        check("all out: nobody is asked", asked(one), (1, 1))
        check("all out: the run says so", "no provider can finish a reply" in done.stdout + done.stderr, True)
        one.heal(FIRST.partition("/")[0])
        one.daemon.kill()
        one.daemon.wait()
        done = run()
        check("endturn dead: by the first", (done.returncode, asked(one)), (0, (2, 1)))


main()
finish()
