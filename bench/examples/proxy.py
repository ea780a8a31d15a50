"""Forwards both ways, no faster than the slower end reads. Beside examples/09_proxy.rs."""
import sys

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol, serverFromString
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react
from zope.interface import implementer


@implementer(IHalfCloseableProtocol)
class Side(Protocol):
    other = None

    def __init__(self, server=None):
        self.server = server

    def connectionMade(self):
        if self.server is not None:
            self.transport.pauseProducing()
            connected = connectProtocol(self.server, Side())
            connected.addCallbacks(self.join, lambda failure: self.transport.loseConnection())

    def join(self, back):
        self.other, back.other = back, self
        self.transport.registerProducer(back.transport, True)
        back.transport.registerProducer(self.transport, True)
        self.transport.resumeProducing()

    def dataReceived(self, data):
        self.other.transport.write(data)

    def readConnectionLost(self):
        self.other.transport.unregisterProducer()
        self.other.transport.loseWriteConnection()

    def writeConnectionLost(self):
        pass

    def connectionLost(self, reason):
        if self.other is not None:
            self.other.transport.unregisterProducer()
            self.other.transport.loseConnection()


class Front(Factory):
    def __init__(self, server):
        self.server = server

    def buildProtocol(self, peer):
        return Side(self.server)


async def main(reactor, front="tcp:8008:interface=127.0.0.1", back="tcp:127.0.0.1:8007"):
    server = clientFromString(reactor, back)
    port = await serverFromString(reactor, front).listen(Front(server))
    print(f"listening on {port.getHost().host}:{port.getHost().port}", flush=True)
    await Deferred()


react(main, sys.argv[1:])
