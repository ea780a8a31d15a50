"""A server that keeps values, and its test without a network. Beside examples/10_key_value.rs."""
import sys

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import LineReceiver
from twisted.trial.unittest import TestCase

MAX_KEYS = 10_000


class Client(LineReceiver):
    delimiter = b"\n"

    def __init__(self, values):
        self.values = values

    def lineReceived(self, line):
        match line.split(b" ", 2):
            case [b"get", key]:
                reply = self.values.get(key, b"not set")
            case [b"set", key, _] if len(self.values) == MAX_KEYS and key not in self.values:
                reply = b"full"
            case [b"set", key, value]:
                reply = b"changed" if key in self.values else b"new"
                self.values[key] = value
            case _:
                reply = b"say: get KEY, or: set KEY VALUE"
        self.sendLine(reply)


class Store(Factory):
    def __init__(self):
        self.values = {}

    def buildProtocol(self, peer):
        return Client(self.values)


class Tests(TestCase):
    def test_clients_see_what_others_have_set_byte_by_byte(self):
        client, transport = Store().buildProtocol(None), StringTransport()
        client.makeConnection(transport)
        for byte in b"set color blue\nget color\nget shape\nset color red\nput\n":
            client.dataReceived(bytes([byte]))
        expected = b"new\nblue\nnot set\nchanged\nsay: get KEY, or: set KEY VALUE\n"
        self.assertEqual(transport.value(), expected)


async def main(reactor, description="tcp:6380:interface=127.0.0.1"):
    port = await serverFromString(reactor, description).listen(Store())
    print(f"listening on {port.getHost().host}:{port.getHost().port}", flush=True)
    await Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
