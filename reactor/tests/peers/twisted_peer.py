"""Twisted's end of the conversations in this folder: twisted_peer.py ROLE [ARGUMENT ...].

A server prints its ports first. Each role prints what its connections meet, one event a line, and ends when they are
over. With TLS, the last argument is a folder with root.pem, server.pem and client.pem.
"""

import sys

from twisted.internet import interfaces, protocol, reactor
from twisted.protocols import basic
from zope.interface import implementer

# After this many seconds, something has gone wrong.
PATIENCE = 10
NAME = "server.test"


def say(*words):
    print(*words, flush=True)


def listen(build, options=None):
    """Listens with protocols that `build` makes, over TLS if there are options for it, and says where."""
    factory = protocol.Factory.forProtocol(build)
    # With Twisted's own backlog of 50, the system drops some of many connections that are made in one moment.
    where = {"interface": "127.0.0.1", "backlog": 1000}
    if options:
        port = reactor.listenSSL(0, factory, options, **where)
    else:
        port = reactor.listenTCP(0, factory, **where)
    say(port.getHost().port)


def connect(port, build, options=None):
    """Connects with a protocol that `build` makes, over TLS if there are options for it."""
    factory = protocol.ClientFactory.forProtocol(build)
    factory.clientConnectionFailed = lambda _connector, reason: say("failed", reason.value)
    if options:
        reactor.connectSSL("127.0.0.1", int(port), factory, options)
    else:
        reactor.connectTCP("127.0.0.1", int(port), factory)


def read(folder, name):
    with open(f"{folder}/{name}.pem", "rb") as file:
        return file.read()


def server_options(folder, alpn, asks):
    from twisted.internet import ssl

    own = ssl.PrivateCertificate.loadPEM(read(folder, "server"))
    root = ssl.Certificate.loadPEM(read(folder, "root"))
    return ssl.CertificateOptions(
        privateKey=own.privateKey.original,
        certificate=own.original,
        trustRoot=root if asks else None,
        acceptableProtocols=[name.encode() for name in alpn] or None,
    )


def client_options(folder, name, alpn, certificate):
    from twisted.internet import ssl

    return ssl.optionsForClientTLS(
        name,
        trustRoot=ssl.Certificate.loadPEM(read(folder, "root")),
        clientCertificate=ssl.PrivateCertificate.loadPEM(read(folder, "client")) if certificate else None,
        acceptableProtocols=[name.encode() for name in alpn] or None,
    )


def common_name(certificate):
    from cryptography.x509.oid import NameOID

    return certificate.to_cryptography().subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


class Ends:
    """Stops the reactor when this many connections are over."""

    left = 1

    def connectionLost(self, reason):
        self.tell("lost " + reason.type.__name__)
        Ends.left -= 1
        if not Ends.left:
            reactor.stop()

    def tell(self, what):
        say(what)


@implementer(interfaces.IHandshakeListener)
class Lines(Ends, basic.LineReceiver):
    """Answers each line in capitals, and closes after `bye`."""

    def lineReceived(self, line):
        say("line", len(line), line[:10].decode())
        self.sendLine(line.upper())
        if line == b"bye":
            self.transport.loseConnection()

    def handshakeCompleted(self):
        session = self.transport.getHandle()
        certificate = session.get_peer_certificate()
        chosen = session.get_alpn_proto_negotiated() or None
        say("handshake", chosen, certificate and common_name(certificate), session.get_servername())


class AskingLines(Lines):
    """Says four lines, and hears the answers until the server closes."""

    def connectionMade(self):
        for line in (b"one", b"", b"x" * 16384, b"bye"):
            self.sendLine(line)

    def lineReceived(self, line):
        say("line", len(line), line[:10].decode())


class StartTls(Lines):
    """Answers lines in clear text, and changes to TLS when it is asked to."""

    def lineReceived(self, line):
        say("line", line.decode())
        if line == b"STARTTLS":
            self.sendLine(b"READY")
            self.transport.startTLS(self.options)
        self.sendLine(line.upper())
        if line == b"bye":
            self.transport.loseConnection()


class AskingForTls(StartTls):
    """The client of StartTls."""

    def connectionMade(self):
        self.sendLine(b"hello")
        self.sendLine(b"STARTTLS")

    def lineReceived(self, line):
        say("line", line.decode())
        if line == b"READY":
            self.transport.startTLS(self.options)
            self.sendLine(b"secret")
            self.sendLine(b"bye")


FRAMINGS = [
    basic.NetstringReceiver,
    basic.Int8StringReceiver,
    basic.Int16StringReceiver,
    basic.Int32StringReceiver,
]
STRINGS = [b"", b"hello", b"x" * 255, b"bye"]


def strings(framing):
    class Strings(Ends, framing):
        """Sends each string back reversed, and closes after `bye`."""

        def stringReceived(self, string):
            self.sendString(string[::-1])
            if string == b"bye":
                self.transport.loseConnection()

    return Strings


def asking_strings(framing):
    class AskingStrings(Ends, framing):
        """Says all strings, and hears them reversed."""

        def connectionMade(self):
            self.heard = []
            for string in STRINGS:
                self.sendString(string)

        def stringReceived(self, string):
            self.heard.append(string)

        def tell(self, what):
            assert self.heard == [string[::-1] for string in STRINGS], self.heard
            say(framing.__name__, what)

    return AskingStrings


@implementer(interfaces.IHalfCloseableProtocol)
class HalfClosing(Ends, protocol.Protocol):
    """Counts, and says how much it was when the peer has no more to say."""

    count = 0

    def dataReceived(self, data):
        self.count += len(data)

    def readConnectionLost(self):
        self.transport.write(b"%d" % self.count)
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


class AskingHalfClosing(HalfClosing):
    """Says its question, closes its own direction, and hears the answer."""

    def connectionMade(self):
        self.answer = b""
        self.transport.write(b"x" * 1000000)
        self.transport.loseWriteConnection()

    def dataReceived(self, data):
        self.answer += data

    def readConnectionLost(self):
        say("answer", self.answer.decode())
        self.transport.loseConnection()


class Crowd(Ends, protocol.Protocol):
    """One of many: nobody is answered before all are there."""

    everybody = []
    number = 0

    def connectionMade(self):
        Crowd.everybody.append(self)
        if len(Crowd.everybody) == Crowd.number:
            say("all are there")
            for one in Crowd.everybody:
                one.transport.write(b"go\r\n")

    def dataReceived(self, data):
        self.transport.write(data)
        self.transport.loseConnection()

    def tell(self, what):
        assert what == "lost ConnectionDone", what
        if Ends.left == 1:
            say("all have gone")


class AskingCrowd(Ends, basic.LineReceiver):
    """Says its number when it may, and hears it."""

    heard = set()
    given = 0

    def connectionMade(self):
        AskingCrowd.given += 1
        self.number = b"%d" % AskingCrowd.given

    def lineReceived(self, line):
        if line == b"go":
            self.sendLine(self.number)
        else:
            assert line == self.number
            AskingCrowd.heard.add(line)

    def tell(self, what):
        assert what == "lost ConnectionDone", what
        if Ends.left == 1:
            say(len(AskingCrowd.heard))


class Large(Ends, protocol.Protocol):
    """Writes very much in one write, and reads as much; both ends do so at once."""

    size = 0
    # Its length is a prime number, so that bytes which go missing or change places are noticed.
    PATTERN = bytes(range(251))
    AHEAD = PATTERN * 20000

    def connectionMade(self):
        self.count = 0
        self.is_right = True
        self.transport.write((Large.PATTERN * (Large.size // 251 + 1))[: Large.size])

    def dataReceived(self, data):
        left = Large.size - self.count
        data, last = data[:left], data[left:]
        if data:
            at = self.count % 251
            self.is_right = self.is_right and data == Large.AHEAD[at : at + len(data)]
            self.count += len(data)
            if self.count == Large.size:
                say("got", self.count, self.is_right)
                self.transport.write(b"!")
        if last:
            # The peer has got all, too.
            self.transport.loseConnection()


def tls_server(build, folder, alpn="", asks=""):
    listen(build, server_options(folder, alpn.split(), asks))


def tls_client(build, port, folder, name=NAME, alpn="", certificate=""):
    connect(port, build, client_options(folder, name, alpn.split(), certificate))


def starttls_server(folder):
    StartTls.options = server_options(folder, [], "")
    listen(StartTls)


def starttls_client(port, folder):
    AskingForTls.options = client_options(folder, NAME, [], "")
    connect(port, AskingForTls)


def strings_server():
    Ends.left = len(FRAMINGS)
    for framing in FRAMINGS:
        listen(strings(framing))


def strings_client(*ports):
    Ends.left = len(FRAMINGS)
    for framing, port in zip(FRAMINGS, ports):
        connect(port, asking_strings(framing))


def crowd_server(number):
    Ends.left = Crowd.number = int(number)
    listen(Crowd)


def crowd_client(port, number):
    Ends.left = int(number)
    for _ in range(int(number)):
        connect(port, AskingCrowd)


def large_server(size, folder=""):
    Large.size = int(size)
    listen(Large, server_options(folder, [], "") if folder else None)


def large_client(port, size, folder=""):
    Large.size = int(size)
    connect(port, Large, client_options(folder, NAME, [], "") if folder else None)


ROLES = {
    "lines-server": lambda: listen(Lines),
    "lines-client": lambda port: connect(port, AskingLines),
    "strings-server": strings_server,
    "strings-client": strings_client,
    "half-close-server": lambda: listen(HalfClosing),
    "half-close-client": lambda port: connect(port, AskingHalfClosing),
    "tls-server": lambda *arguments: tls_server(Lines, *arguments),
    "tls-client": lambda *arguments: tls_client(AskingLines, *arguments),
    "starttls-server": starttls_server,
    "starttls-client": starttls_client,
    "crowd-server": crowd_server,
    "crowd-client": crowd_client,
    "large-server": large_server,
    "large-client": large_client,
}


def late():
    say("nothing more has happened for too long")
    reactor.stop()


ROLES[sys.argv[1]](*sys.argv[2:])
reactor.callLater(PATIENCE, late)
reactor.run()
