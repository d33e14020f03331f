#!/usr/bin/env bash
# LiteLLM 1.108.7, as a gateway for vector stores: `POST /vector_stores/{id}/files` and `POST /vector_stores/{id}/files/{file}` pass on only
# those attributes of a file that are text. Numbers and booleans, which OpenAI documents too, are dropped, and the answer has status 200.
#
# Seen: of `{"name": "a", "size": 3, "is_dir": false}`, the server behind the gateway gets `{"name": "a"}`.
# Workaround: f9 compares the answer with what it sent, and sends such attributes as text (src/backends/openai/kept.rs).
# Needs Python 3.10 or later with pip, as PYTHON or python3.
set -euo pipefail
cd "$(mktemp -d)"
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$PWD"' EXIT
"${PYTHON-python3}" -m venv packages
packages/bin/pip install -q --disable-pip-version-check 'litellm[proxy]==1.108.7'

# The server behind the gateway notes the attributes that it gets.
cat >server.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with open("seen", "a") as seen:
            print(json.dumps(request["attributes"], sort_keys=True), file=seen)
        body = json.dumps({"id": "file-1", "object": "vector_store.file", "attributes": request["attributes"]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = HTTPServer(("127.0.0.1", 0), Handler)
Path("port").write_text(str(server.server_port))
server.serve_forever()
PYTHON
packages/bin/python server.py 2>/dev/null &
until [ -s port ]; do sleep 0.1; done
gateway=$(packages/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
base=http://127.0.0.1:$(cat port)/v1
printf 'model_list: [{ model_name: any, litellm_params: { model: openai/any, api_base: "%s", api_key: none } }]' "$base" >config.yaml
key=sk-0123456789abcdef0123456789abcdef
HOME=$PWD OPENAI_API_BASE=$base OPENAI_API_KEY=none LITELLM_MASTER_KEY=$key \
  packages/bin/litellm --config config.yaml --host 127.0.0.1 --port "$gateway" >log 2>&1 &
until curl -sf -o answer "http://127.0.0.1:$gateway/health/liveliness"; do kill -0 $! || { cat log; exit 1; }; sleep 0.2; done

packages/bin/pip show litellm 2>/dev/null | sed -n 2p
attributes='{"name": "a", "size": 3, "is_dir": false}'
for path in files files/file-1; do
  status=$(curl -s -o answer -w '%{http_code}' -H "authorization: Bearer $key" -H 'content-type: application/json' \
    -d "{\"file_id\": \"file-1\", \"attributes\": $attributes}" "http://127.0.0.1:$gateway/v1/vector_stores/vs_1/$path")
  echo "sent $attributes to $path: status $status, passed on: $(tail -1 seen)"
  [ "$status" = 200 ]
done
[ "$(cat seen)" = $'{"name": "a"}\n{"name": "a"}' ]
