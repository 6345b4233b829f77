"""Puts a server that is a function of one request on a loopback port."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from connectors.connector import Request


def hang_up(_reply):
    """A scripted fault: the server has done what was asked, and closes the connection without a word."""
    raise ConnectionAbortedError


@contextmanager
def serving(target):
    """Serve `target.answer`; gives the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one segment: two would wait for each other (Nagle and delayed ACK, 40 ms)

        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            try:
                reply = target.answer(
                    Request(
                        method=self.command,
                        url=f"http://{self.headers['host']}{self.path}",
                        headers=dict(self.headers),
                        body=body,
                        safe=False,
                        purpose="as received",
                    )
                )
            except ConnectionAbortedError:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *words):
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
