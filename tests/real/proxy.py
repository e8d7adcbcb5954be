"""A TCP proxy that damages answers, one way per port, between us and a server that somebody else wrote.

    proxy.py UPSTREAM_PORT DIRECTORY PORT:MODE[:AT] ..

Listens on loopback until killed. AT counts events (`data:` in the answer): the damage is done 10 bytes into the event
after that many, so that some text came before it and more should follow. What has fewer events passes whole. Modes that
say "rewritten" read the chunks of the HTTP body and write their own.

| mode | what becomes of the answer |
|---|---|
| pass | nothing |
| fin | the connection is closed after AT events |
| reset | the same with a RST |
| stall | nothing comes any more, and the connection stays |
| kill | the process whose id stands in DIRECTORY/pid gets SIGKILL; what it still sends and how it ends is passed on |
| dribble | one byte per write |
| flip | connection n of this port has byte n * AT changed; DIRECTORY/flips gets both versions |
| clean | rewritten: the body ends cleanly after AT events, as a gateway ends a broken stream |
| no-done | rewritten: without `[DONE]` |
| no-usage | rewritten: without token counts |
"""

import itertools
import json
import os
import pathlib
import re
import signal
import socket
import struct
import sys
import threading

SIZE = 65536
INTO_EVENT = 10
# Longest wait for a peer that has nothing to say: the proxy ends by itself if it is forgotten.
IDLE = 120
# Which bits of the byte are changed: the case of a letter, a letter, a sign, a byte that is no UTF-8.
MASKS = (0x20, 0x01, 0x04, 0x80)


class Answer:
    """The answer so far: where its events are."""

    def __init__(self):
        self.data = b""

    def cut(self, data, events):
        """What of these bytes comes before the damage, and whether it is reached."""
        start = len(self.data)
        self.data += data
        places = itertools.islice(re.finditer(rb"data:", self.data), events, None)
        place = next(places, None)
        end = place.start() + INTO_EVENT if place else len(self.data) + 1
        return data[: max(end - start, 0)], len(self.data) >= end


def pump(source, sink):
    """Everything from the client to the server."""
    try:
        while data := source.recv(SIZE):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Reset(Exception):
    """The client is to see a RST."""


def until_closed(client):
    """Until the client goes."""
    # The other thread reads what it sends; here only the end is of interest.
    poll = threading.Event()
    for _ in range(IDLE * 10):
        if poll.wait(0.1) or client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1:
            return


def cutting(mode, events, directory):
    """Modes that let some bytes pass and then do something."""

    def serve(client, upstream):
        answer, struck = Answer(), False
        while True:
            try:
                data = upstream.recv(SIZE)
            except ConnectionResetError as error:
                raise Reset from error
            if not data:
                return
            before, reached = answer.cut(data, events)
            if mode == "kill":
                client.sendall(data)
                if reached and not struck:
                    struck = True
                    os.kill(int((directory / "pid").read_text(encoding="utf-8")), signal.SIGKILL)
                continue
            client.sendall(before)
            if not reached:
                continue
            if mode == "reset":
                # A moment for the client to read what was sent: a RST throws away what it did not.
                threading.Event().wait(0.2)
                raise Reset
            if mode == "stall":
                until_closed(client)
            return

    return serve


def passing(client, upstream):
    while data := upstream.recv(SIZE):
        client.sendall(data)


def dribble(client, upstream):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := upstream.recv(SIZE):
        for place in range(len(data)):
            client.sendall(data[place : place + 1])


def flipping(stride, directory):
    numbers = itertools.count()
    log = directory / "flips"
    log.mkdir(exist_ok=True)

    def serve(client, upstream):
        number = next(numbers)
        place, mask = number * stride, MASKS[number % len(MASKS)]
        sent, plain = b"", b""
        try:
            while data := upstream.recv(SIZE):
                plain += data
                at = place - len(sent)
                if 0 <= at < len(data):
                    data = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
                sent += data
                client.sendall(data)
        except OSError:
            # The client doesn't want the rest of a broken answer.
            pass
        finally:
            entry = {"place": place, "mask": mask, "sent": sent.hex(), "plain": plain.hex()}
            (log / f"{number:04}.json").write_text(json.dumps(entry), encoding="utf-8")

    return serve


def rewriting(mode, events):
    """Modes that know chunks: each of the server's is passed on, changed or not at all."""

    def change(data):
        if mode == "no-done":
            return re.sub(rb"data: ?\[DONE\]\r?\n\r?\n", b"", data)
        if mode == "no-usage":
            return re.sub(rb', ?"usage": ?\{[^{}]*(\{[^{}]*\}[^{}]*)*\}', b"", data)
        return data

    def serve(client, upstream):
        source, passed = upstream.makefile("rb"), 0
        while head := read_head(source):
            client.sendall(head)
            if b"transfer-encoding: chunked" not in head.lower():
                size = re.search(rb"(?i)content-length: *(\d+)", head)
                client.sendall(source.read(int(size[1]) if size else -1))
                continue
            while data := read_chunk(source):
                # A chunk of a real server holds whole events.
                ended = mode == "clean" and passed >= events
                passed += data.count(b"data:")
                data = b"" if ended else change(data)
                if data:
                    client.sendall(b"%x\r\n%s\r\n" % (len(data), data))
                if ended:
                    break
            client.sendall(b"0\r\n\r\n")
            if mode == "clean":
                return

    return serve


def read_head(source):
    head = b""
    while line := source.readline():
        head += line
        if line == b"\r\n":
            return head
    return head


def read_chunk(source):
    size = int(source.readline().split(b";")[0], 16)
    data = source.read(size)
    source.readline()
    return data


def connection(client, port, serve):
    with client, socket.create_connection(("127.0.0.1", port)) as upstream:
        for peer in (client, upstream):
            peer.settimeout(IDLE)
        up = threading.Thread(target=pump, args=(client, upstream), daemon=True)
        up.start()
        try:
            serve(client, upstream)
            client.shutdown(socket.SHUT_RDWR)
        except Reset:
            # A receive that still waits would keep the socket open past its close. No linger: close sends RST.
            client.shutdown(socket.SHUT_RD)
            up.join(timeout=5)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (OSError, ValueError):
            # One of the two is gone, in the middle of a chunk perhaps.
            pass


def accept(listener, upstream_port, serve):
    while True:
        client, _ = listener.accept()
        args = (client, upstream_port, serve)
        threading.Thread(target=connection, args=args, daemon=True).start()


def mode_of(name, events, directory):
    match name:
        case "pass":
            return passing
        case "dribble":
            return dribble
        case "flip":
            return flipping(events, directory)
        case "fin" | "reset" | "stall" | "kill":
            return cutting(name, events, directory)
        case "clean" | "no-done" | "no-usage":
            return rewriting(name, events)
    sys.exit(f"no mode {name!r}")


def main():
    upstream_port, directory = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    threads = []
    for what in sys.argv[3:]:
        port, name, *events = what.split(":")
        serve = mode_of(name, int(events[0]) if events else 0, directory)
        listener = socket.create_server(("127.0.0.1", int(port)))
        threads.append(threading.Thread(target=accept, args=(listener, upstream_port, serve)))
    # All ports are open before one is served: whoever waits for one need not ask the others, which would count.
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
