#!/usr/bin/env python3
"""Keeps nginx's upstream as endturn says: writes it anew when a share changes, and has nginx reload it.

    follow.py --out FILE --reload COMMAND [--feed URL] [--name UPSTREAM] [--least-bad] TARGET=ADDRESS ..

Nobody is left out on old news: when the feed has not come for 15 s, when endturn has lost its network, and when this
program ends, every server is in again. Python 3.9 or later, nothing else.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# stale_after less generated_at: so long after its receipt, by our own clock, a feed may be believed.
FRESH_S = 15
# How long one question waits for news, and how long after a failure the next is asked.
WAIT_S, PAUSE_S = 5, 1
# A share of 1. nginx has whole numbers only.
WHOLE = 100


def share(target):
    """The weight that a server gets: 0 leaves it out; a target that is unknown, or that the feed doesn't name, passes."""
    if target is None or target["state"] == "unknown":
        return WHOLE
    routing = target["routing"]
    if routing["hint"] == "avoid":
        return 0
    weight = routing["weight"]
    return WHOLE if weight is None else max(1, min(WHOLE, round(weight * WHOLE)))


def shares(feed, servers):
    """The weight of each server; without a feed that may be believed all get everything."""
    if feed is None or feed["network"] != "online":
        return {target: WHOLE for target in servers}
    known = {target["id"]: target for target in feed["targets"]}
    return {target: share(known.get(target)) for target in servers}


def text(name, servers, weights):
    lines = [f"# written by follow.py from endturn's feed\nupstream {name} {{\n    zone {name} 64k;\n"]
    for target, address in servers.items():
        weight = weights[target]
        lines.append(f"    server {address} {f'weight={weight}' if weight else 'down'} max_fails=0;  # {target}\n")
    return "".join(lines) + "    keepalive 32;\n}\n"


class Nginx:
    def __init__(self, options, servers):
        self.options, self.servers, self.shown = options, servers, None

    def show(self, feed):
        weights = shares(feed, self.servers)
        if self.options.least_bad and not any(weights.values()):
            weights = {target: WHOLE for target in self.servers}
        if weights == self.shown:
            return
        new = f"{self.options.out}.new"
        with open(new, "w", encoding="utf-8") as file:
            file.write(text(self.options.name, self.servers, weights))
        os.replace(new, self.options.out)
        done = subprocess.run(shlex.split(self.options.reload), check=False)
        if done.returncode == 0:
            self.shown = weights
        told = ", ".join(f"{target} {weight}" for target, weight in weights.items())
        print(f"{told}{'' if done.returncode == 0 else ': the reload failed'}", file=sys.stderr, flush=True)


def ask(options, servers, feed):
    query = {"targets": ",".join(servers)}
    if feed is not None:
        query |= {"since": feed["revision"], "instance": feed["instance"], "wait": f"{WAIT_S}s"}
    url = f"{options.feed}/v1/health?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=WAIT_S + 3) as answer:
        return json.load(answer)


def follow(options, servers, nginx):
    feed, received = None, time.monotonic()
    while True:
        try:
            news = ask(options, servers, feed)
            # An endturn that stands still answers with what it had: that renews nothing.
            if feed is None or (news["instance"], news["revision"]) != (feed["instance"], feed["revision"]):
                feed, received = news, time.monotonic()
        except (OSError, ValueError) as error:
            print(f"the feed did not come: {error}", file=sys.stderr, flush=True)
            time.sleep(PAUSE_S)
        nginx.show(feed if time.monotonic() - received < FRESH_S else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="the file that nginx includes")
    parser.add_argument("--reload", required=True, help="the command that has nginx read it again")
    parser.add_argument("--feed", default="http://127.0.0.1:7411", help="where endturn is")
    parser.add_argument("--name", default="models", help="what the upstream is called")
    parser.add_argument("--least-bad", action="store_true", help="if all are out, let all in; else nginx answers 502")
    parser.add_argument("server", nargs="+", metavar="TARGET=ADDRESS")
    options = parser.parse_args()
    servers = dict(server.rsplit("=", 1) for server in options.server)
    nginx = Nginx(options, servers)

    def end(*_):
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        follow(options, servers, nginx)
    finally:
        nginx.show(None)


main()
