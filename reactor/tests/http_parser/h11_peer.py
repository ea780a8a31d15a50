"""Answers on its standard input, one in hexadecimal on each line, through h11: what came of each on its standard output."""

import sys

import h11


def read(answer):
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost")]))
    connection.send(h11.EndOfMessage())
    status, body, ended = None, bytearray(), False
    try:
        connection.receive_data(answer)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA and not ended:
                ended = True
                connection.receive_data(b"")
            elif type(event) is h11.Response:
                status = event.status_code
            elif type(event) is h11.Data:
                body += event.data
            elif type(event) is h11.EndOfMessage:
                return f"{status} {bytes(body).hex()}"
            elif type(event) is not h11.InformationalResponse:
                return f"error {event!r}"
    except h11.RemoteProtocolError as error:
        return f"error {error}".replace("\n", " ")


for line in sys.stdin:
    print(read(bytes.fromhex(line)))
