#!/usr/bin/env bash
# ogx 1.5.0: `POST /vector_stores/{id}/file_batches` accepts `files`, a list of files with attributes of their own, as OpenAI documents it,
# and answers with status 200 and a batch of no files. None of them is attached. With `file_ids` they are.
#
# Seen: the batch with `files` counts 0 files and the vector store stays empty; the batch with `file_ids` attaches the file.
# Workaround: f9 lists the vector store after a batch and attaches what is missing (src/backends/openai/batch.rs).
# Needs Python 3.12 or later with pip, as PYTHON or python3. The configuration and the server for embeddings are those of the tests.
set -euo pipefail
servers=$(cd "$(dirname "$0")/../tests/openai_servers" && pwd)
cd "$(mktemp -d)"
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$PWD"' EXIT
"${PYTHON-python3}" -m venv packages
packages/bin/pip install -q --disable-pip-version-check ogx==1.5.0 faiss-cpu numpy pypdf chardet
# ogx would download the table of a tokenizer that LiteLLM contains.
packages/bin/pip install -q --disable-pip-version-check --no-deps --target other litellm==1.108.7

packages/bin/python "$servers/embeddings.py" port &
until [ -s port ]; do sleep 0.1; done
port=$(packages/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
HOME=$PWD F9_DIR=$PWD F9_EMBEDDINGS=http://127.0.0.1:$(cat port)/v1 TIKTOKEN_CACHE_DIR=$PWD/other/litellm/litellm_core_utils/tokenizers \
  packages/bin/ogx run "$servers/ogx.yaml" --insecure --port "$port" >log 2>&1 &
until curl -sf -o answer "http://127.0.0.1:$port/v1/health"; do kill -0 $! || { cat log; exit 1; }; sleep 0.2; done

url=http://127.0.0.1:$port/v1
# Prints a field of a JSON object on standard input, named by the rest of a Python expression.
field() { packages/bin/python -c "import json, sys; print(json.load(sys.stdin)$1)"; }
post() { curl -sf -H 'content-type: application/json' -d "$2" "$url/$1"; }
echo 'Plant the tomatoes in May.' >plan.txt
file=$(curl -sf -F purpose=assistants -F file=@plan.txt "$url/files" | field '["id"]')
store=$(post vector_stores '{"name": "notes"}' | field '["id"]')
attached() { curl -sf "$url/vector_stores/$store/files" | field '["data"].__len__()'; }

packages/bin/pip show ogx 2>/dev/null | sed -n 2p
files=$(post "vector_stores/$store/file_batches" "{\"files\": [{\"file_id\": \"$file\", \"attributes\": {\"name\": \"plan\"}}]}")
sleep 5
with_files=$(attached)
echo "a batch with \`files\`: $(field '["file_counts"]["total"]' <<<"$files") of 1 accepted, $with_files attached"
post "vector_stores/$store/file_batches" "{\"file_ids\": [\"$file\"]}" >answer
for _ in $(seq 50); do
  with_ids=$(attached)
  [ "$with_ids" = 0 ] || break
  sleep 0.2
done
echo "a batch with \`file_ids\`: $with_ids attached"
[ "$with_files" = 0 ]
[ "$with_ids" = 1 ]
