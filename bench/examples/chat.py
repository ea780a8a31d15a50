"""What one client says, the others hear. Beside examples/06_chat.rs."""
import sys

from twisted.internet.endpoints import serverFromString
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.protocols.basic import LineReceiver


class Chat(LineReceiver):
    delimiter = b"\n"

    def __init__(self, room):
        self.room = room

    def connectionMade(self):
        self.sendLine(b"%d others are here" % len(self.room))
        self.room.add(self)

    def lineReceived(self, line):
        for client in self.room - {self}:
            client.sendLine(line)

    def connectionLost(self, reason):
        self.room.discard(self)


class Room(Factory):
    def __init__(self):
        self.room = set()

    def buildProtocol(self, peer):
        return Chat(self.room)


async def main(reactor, description="tcp:1025:interface=127.0.0.1"):
    port = await serverFromString(reactor, description).listen(Room())
    print(f"listening on {port.getHost().host}:{port.getHost().port}", flush=True)
    await Deferred()


react(main, sys.argv[1:])
