"""Mails as an SMTP server takes them and as Python's email package reads them."""

import email
import email.policy
import json
import logging
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from support import check, finish

# It tells of each client that goes away, which some do here on purpose.
logging.disable(logging.CRITICAL)
binary = sys.argv[1]
USER, PASSWORD = "endturn@example.com", "planted pass-word"


class Taker:
    """Keeps what it is given; one recipient it doesn't know."""

    def __init__(self):
        self.mails = []
        self.said = []

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.said.append(address)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((session, envelope))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    ours = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=ours, handled=False)


work = pathlib.Path(tempfile.mkdtemp(prefix="endturn-mail-"))
authority = trustme.CA()
authority.cert_pem.write_to_path(work / "ca.pem")
trustme.CA().cert_pem.write_to_path(work / "other.pem")


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(made)
    return made


def serve(taker, implicit=False, **options):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = context() if implicit else None
    server = Controller(taker, hostname="127.0.0.1", port=port, ssl_context=made, **options)
    server.start()
    return server, port


LOGIN = f'user = "{USER}"\npassword = {{ env = "SMTP_PASSWORD" }}\n'


def tried(port, rest, trusted="ca.pem", password=PASSWORD):
    """How a test over such a channel ended: exit status, and what was told."""
    config = work / "endturn.toml"
    config.write_text(
        '[[provider]]\nid = "anthropic"\napi_key = { env = "KEY" }\n'
        f'[[channel]]\nname = "mail"\ntype = "email"\nhost = "localhost"\nport = {port}\nallow_private = true\n'
        'from = "endturn über alles <endturn@example.com>"\n'
        f'to = ["Önn Call <oncall@example.com>", "nobody@example.com"]\n{rest}',
        encoding="utf-8",
    )
    env = {**os.environ, "KEY": "k", "SMTP_PASSWORD": password, "SSL_CERT_FILE": str(work / trusted)}
    argv = [binary, "alert", "test", "mail", "-c", config, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env=env)
    if PASSWORD in done.stdout + done.stderr:
        raise SystemExit("the password was told")
    if not done.stdout:
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout)
    return done.returncode, told["error"]


def read(taker):
    session, envelope = taker.mails[-1]
    return session, envelope, email.message_from_bytes(envelope.content, policy=email.policy.default)


# By STARTTLS, which the server asks for, and with a login.
taker = Taker()
server, port = serve(
    taker, tls_context=context(), require_starttls=True, auth_required=True, authenticator=authenticate
)
check("starttls and login", tried(port, LOGIN), (0, None))
session, envelope, mail = read(taker)
check("it was encrypted", session.ssl is not None, True)
check("who is told, but for one that nobody knows", envelope.rcpt_tos, ["oncall@example.com"])
check("sender", (mail["from"].addresses[0].display_name, envelope.mail_from), ("endturn über alles", USER))
check("recipient", mail["to"].addresses[0].display_name, "Önn Call")
check("subject", str(mail["subject"]).startswith("Test"), True)
check("it says that a program wrote it", mail["auto-submitted"], "auto-generated")
check("its id is of the sender's domain", mail["message-id"].endswith("@example.com>"), True)
check("thread", (mail["references"] is not None, mail["references"]), (True, mail["in-reply-to"]))
check("date", mail["date"].datetime is not None, True)
check("text", (mail.get_content_type(), "tries this channel" in mail.get_content()), ("text/plain", True))
check("nothing is wrong with it", mail.defects, [])

taker.mails.clear()
status, error = tried(port, LOGIN, password="wrong pass-word")
check("a wrong password", (status, "535" in error), (1, True))
status, error = tried(port, "")
check("no login where one is asked for", (status, "530" in error), (1, True))
taker.said.clear()
status, error = tried(port, LOGIN, trusted="other.pem")
check("a certificate of nobody's", (status, "certificate" in error.lower()), (1, True))
check("and nothing was told", (taker.said, taker.mails), ([], []))
server.stop()

# From the first byte.
taker = Taker()
server, port = serve(taker, implicit=True)
check("implicit tls", tried(port, 'tls = "implicit"\n'), (0, None))
check("it is a mail", read(taker)[2]["auto-submitted"], "auto-generated")
server.stop()

# In the clear, where it was asked for; a server that can't encrypt is told nothing else.
taker = Taker()
server, port = serve(taker)
check("plain, asked for", tried(port, 'tls = "none"\n'), (0, None))
taker.said.clear()
taker.mails.clear()
status, error = tried(port, LOGIN)
check("no starttls", (status, "no STARTTLS" in error), (1, True))
check("nothing was told there", (taker.said, taker.mails), ([], []))
server.stop()
finish()
