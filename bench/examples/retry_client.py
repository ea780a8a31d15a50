"""A client with a time limit that tries again. Beside examples/08_retry_client.rs."""
import sys

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.task import deferLater, react
from twisted.protocols.basic import LineReceiver


class Asker(LineReceiver):
    delimiter = b"\n"

    def __init__(self):
        self.answer = Deferred()

    def connectionMade(self):
        self.sendLine(b"anybody there?")

    def lineReceived(self, line):
        if not self.answer.called:
            self.answer.callback(line.decode())
        self.transport.loseConnection()

    def connectionLost(self, reason):
        if not self.answer.called:
            self.answer.errback(reason)


async def ask(server):
    asker = await connectProtocol(server, Asker())
    try:
        return await asker.answer
    except BaseException:
        asker.transport.abortConnection()
        raise


async def ask_again(reactor, server):
    for pause in (0.1, 0.2, 0.4):
        try:
            return await ensureDeferred(ask(server)).addTimeout(0.5, reactor)
        except Exception as failure:
            print(f"{failure}; again in {pause}s")
            await deferLater(reactor, pause)
    return await ensureDeferred(ask(server)).addTimeout(0.5, reactor)


async def main(reactor, description="tcp:127.0.0.1:8007"):
    print("the answer:", await ask_again(reactor, clientFromString(reactor, description)))


react(main, sys.argv[1:])
