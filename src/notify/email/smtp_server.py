"""An SMTP server for tests. Arguments: mode (plain, starttls, smtps), certificate, key, user, password.

Prints its port, then one JSON object for each message it accepts. Mechanisms may be limited by a sixth argument.
"""
import json
import socket
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

mode, certificate, key, user, password, excluded = (sys.argv[1:] + [""] * 6)[:6]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("later"):
            return "450 greylisted, try again: <" + address + ">"
        if address.startswith("unknown"):
            return "550 no such user: <" + address + ">"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.content.decode(),
            "tls": session.ssl is not None or mode == "smtps",
            "hello": session.host_name,
            "authenticated": bool(session.authenticated),
        }
        print(json.dumps(message), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=good, handled=good)


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]

options = {}
if mode != "plain":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
if mode == "starttls":
    options.update(tls_context=context, require_starttls=True)
if mode == "smtps":
    options.update(ssl_context=context, auth_require_tls=False)
if mode == "plain":
    options.update(auth_require_tls=False)
if user:
    options.update(authenticator=authenticate, auth_required=True)
if excluded:
    options.update(auth_exclude_mechanism=excluded.split(","))

controller = Controller(Handler(), hostname="127.0.0.1", port=port, **options)
controller.start()
print(port, flush=True)
sys.stdin.read()
