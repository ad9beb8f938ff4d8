"""HTTP as uvicorn reads it, with an end to headers."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 2**16  # bytes after those in which a head began


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's, which would keep headers of any size, and read a long one ever more slowly, before it asks anybody for a key.

    What counts is how much comes without an end of the headers, or a part of a body: trailers, too.
    """

    _passed = 0

    def data_received(self, data: bytes) -> None:
        """Read what has come; refuse a head that does not end."""
        self._passed += len(data)
        before = self._passed
        super().data_received(data)
        if before == self._passed > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._passed = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head ends."""
        self._passed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body has come."""
        self._passed = 0
        super().on_body(body)
