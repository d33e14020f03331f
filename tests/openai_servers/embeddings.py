"""A server with OpenAI's API for embeddings, so that the servers under test need no model: a vector is made from the hash of the text.

Its argument is the file to which it writes its port."""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DIMENSION = 16


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer({"object": "list", "data": [{"id": "hashes", "object": "model", "created": 0, "owned_by": "f9"}]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
        data = [{"object": "embedding", "index": at, "embedding": vector(str(text))} for at, text in enumerate(texts)]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        self.answer({"object": "list", "model": "hashes", "data": data, "usage": usage})

    def answer(self, body: dict) -> None:
        payload = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def vector(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.shake_128(text.encode()).digest(DIMENSION)]


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
Path(sys.argv[1]).write_text(str(server.server_port))
server.serve_forever()
