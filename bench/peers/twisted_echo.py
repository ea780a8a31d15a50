"""A line echo on Twisted: `python twisted_echo.py PORT`."""
import sys

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver


class Echo(LineOnlyReceiver):
    delimiter = b"\n"

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)

    def lineReceived(self, line):
        self.sendLine(line)


reactor.listenTCP(int(sys.argv[1]), Factory.forProtocol(Echo), backlog=1024, interface="127.0.0.1")
reactor.run()
