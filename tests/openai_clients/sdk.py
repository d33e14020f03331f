"""Goes through files, vector stores, their files, batches and search with OpenAI's own library."""

import os

import openai
from openai import OpenAI

client = OpenAI(max_retries=0)
store_id = os.environ["VECTOR_STORE_ID"]


def refused(kind, call, *parts, code=None):
    """The call must fail with this very class, and say these things."""
    try:
        call()
    except openai.APIStatusError as error:
        assert type(error) is kind, (type(error), error)
        for part in parts:
            assert part in error.message, (part, error.message)
        assert error.code == code, (error.code, error.message)
        assert error.request_id and error.request_id.startswith("req_"), error.request_id
        return error
    raise AssertionError(f"it was not refused: {kind}")


def upload(name, content, purpose="assistants"):
    return client.files.create(file=(name, content), purpose=purpose)


def files():
    created = upload("notes.txt", b"some notes")
    assert created.object == "file" and created.id.startswith("file-"), created
    assert (created.bytes, created.filename, created.purpose) == (10, "notes.txt", "assistants"), created
    assert client.files.retrieve(created.id) == created
    assert client.files.wait_for_processing(created.id).status == "processed"
    refused(
        openai.BadRequestError,
        lambda: client.files.content(created.id),
        "Not allowed to download files of purpose: assistants",
    )

    lines = b'{"a": 1}\n'
    batch = upload("lines.jsonl", lines, "batch")
    assert batch.expires_at == batch.created_at + 30 * 24 * 3600, batch
    assert client.files.content(batch.id).read() == lines

    lasting = client.files.create(
        file=("für.txt", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert lasting.expires_at == lasting.created_at + 3600, lasting
    assert client.files.retrieve(lasting.id).filename == "für.txt"

    made = [upload(f"{number}.txt", b"x", "user_data").id for number in range(7)]
    pages = client.files.list(limit=3, purpose="user_data", order="asc")
    assert [file.id for file in pages] == [lasting.id, *made]
    assert len(client.files.list(purpose="user_data").data) == 8

    assert client.files.delete(created.id).deleted is True
    refused(openai.NotFoundError, lambda: client.files.retrieve(created.id), f"No such File object: {created.id}")
    refused(openai.NotFoundError, lambda: client.files.delete(created.id))
    refused(openai.BadRequestError, lambda: upload("empty.txt", b""), "File is empty.")
    refused(openai.BadRequestError, lambda: upload("a.vb", b"x"), "Invalid extension vb. Supported formats: \"c\", \"cpp\"")
    refused(openai.BadRequestError, lambda: upload("a.txt", b"x", "batch"), "Must be .jsonl")
    refused(openai.BadRequestError, lambda: upload("a.txt", b"x", "nonsense"), "is not one of")
    refused(
        openai.BadRequestError,
        lambda: client.files.list(limit=10001).data,
        "Expected a value <= 10000, but got 10001 instead.",
        code="integer_above_max_value",
    )


def vector_stores():
    file = upload("a.txt", b"text")
    made = client.vector_stores.create(
        name="made",
        file_ids=[file.id],
        metadata={"key": "value"},
        expires_after={"anchor": "last_active_at", "days": 2},
    )
    assert made.object == "vector_store" and made.name == "made" and made.metadata == {"key": "value"}, made
    assert (made.file_counts.total, made.file_counts.in_progress, made.status) == (1, 1, "in_progress"), made
    assert made.expires_after.days == 2 and made.expires_at == made.created_at + 2 * 24 * 3600, made
    for _ in range(2):
        retrieved = client.vector_stores.retrieve(made.id)
    assert client.vector_stores.retrieve(made.id).status == "completed", retrieved

    modified = client.vector_stores.update(made.id, name="other", metadata={"key": "other"})
    assert (modified.name, modified.metadata) == ("other", {"key": "other"}), modified
    assert {store.id for store in client.vector_stores.list(limit=1)} == {made.id, store_id}

    # The file outlives the store.
    deleted = client.vector_stores.delete(made.id)
    assert (deleted.deleted, deleted.object) == (True, "vector_store.deleted"), deleted
    client.files.retrieve(file.id)
    refused(
        openai.NotFoundError,
        lambda: client.vector_stores.retrieve(made.id),
        f"No vector store found with id '{made.id}'.",
    )
    refused(
        openai.BadRequestError,
        lambda: client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 366}),
        "Expected a value <= 365",
        code="integer_above_max_value",
    )


def vector_store_files():
    files = client.vector_stores.files
    attributes = {"path": "a/b.txt", "size": 14, "share": 1.5, "hidden": False}
    file = upload("b.txt", b"the quick brown fox")
    attached = files.create(store_id, file_id=file.id, attributes=attributes)
    assert (attached.id, attached.object) == (file.id, "vector_store.file"), attached
    assert (attached.status, attached.vector_store_id, attached.last_error) == ("in_progress", store_id, None)
    assert attached.attributes == attributes, attached
    assert attached.chunking_strategy.type == "static", attached
    assert attached.chunking_strategy.static.max_chunk_size_tokens == 800, attached
    ready = files.poll(file.id, vector_store_id=store_id)
    assert ready.status == "completed" and ready.usage_bytes > 0, ready

    changed = files.update(file.id, vector_store_id=store_id, attributes={"path": "c.txt"})
    assert changed.attributes == {"path": "c.txt"}, changed
    assert files.retrieve(file.id, vector_store_id=store_id).attributes == {"path": "c.txt"}
    assert [part.text for part in files.content(file.id, vector_store_id=store_id)] == ["the quick brown fox"]

    polled = files.upload_and_poll(
        vector_store_id=store_id,
        file=("long.txt", b"0123456789" * 100),
        chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}},
    )
    assert polled.status == "completed" and polled.chunking_strategy.static.chunk_overlap_tokens == 50, polled
    parts = [part.text for part in files.content(polled.id, vector_store_id=store_id)]
    assert [len(part) for part in parts] == [400, 400, 400, 400], parts
    assert parts[0][200:] == parts[1][:200], parts

    ids = [file.id, polled.id]
    for number in range(5):
        ids.append(upload(f"{number}.txt", b"x").id)
        files.create_and_poll(ids[-1], vector_store_id=store_id)
    listed = [entry.id for entry in files.list(store_id, limit=2)]
    assert listed == ids[::-1], (listed, ids)
    assert [entry.id for entry in files.list(store_id, limit=3, order="asc")] == ids
    assert [entry.id for entry in files.list(store_id, order="asc", after=ids[1], before=ids[4])] == ids[2:4]
    assert files.list(store_id, filter="failed").data == []

    gone = files.delete(file.id, vector_store_id=store_id)
    assert (gone.deleted, gone.object) == (True, "vector_store.file.deleted"), gone
    missing = f"No file found with id '{file.id}' in vector store '{store_id}'."
    refused(openai.NotFoundError, lambda: files.retrieve(file.id, vector_store_id=store_id), missing)
    refused(openai.NotFoundError, lambda: files.delete(file.id, vector_store_id=store_id), missing)
    client.files.delete(file.id)
    refused(
        openai.NotFoundError,
        lambda: files.create(store_id, file_id=file.id),
        f"No such File object: {file.id}",
    )
    vector_store_files_refused(files)


def vector_store_files_refused(files):
    refused(
        openai.BadRequestError,
        lambda: files.create(store_id, file_id="x"),
        "Invalid 'file_id': 'x'. Expected an ID that begins with 'file'.",
        code="invalid_value",
    )
    table = upload("a.csv", b"a,b")
    error = refused(
        openai.BadRequestError,
        lambda: files.create(store_id, file_id=table.id),
        "Files with extensions [.csv] are not supported for retrieval.",
        code="unsupported_file",
    )
    assert (error.param, error.type) == ("file_ids", "invalid_request_error"), error.body
    text = upload("a.txt", b"x")
    for attributes, code in [
        ({str(number): number for number in range(17)}, "object_above_max_properties"),
        ({"x" * 65: 1}, "string_above_max_length"),
        ({"x": "x" * 513}, "string_above_max_length"),
        ({"x": ["list"]}, "invalid_type"),
    ]:
        refused(
            openai.BadRequestError,
            lambda: files.create(store_id, file_id=text.id, attributes=attributes),
            code=code,
        )
    refused(
        openai.BadRequestError,
        lambda: files.list(store_id, limit=101).data,
        "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.",
        code="integer_above_max_value",
    )
    refused(openai.NotFoundError, lambda: files.list("vs_none").data, "No vector store found with id 'vs_none'.")


def batches():
    batches = client.vector_stores.file_batches
    ids = [upload(f"{number}.txt", b"x").id for number in range(4)]
    done = batches.create_and_poll(store_id, file_ids=ids, attributes={"batch": 1})
    assert (done.object, done.status) == ("vector_store.files_batch", "completed"), done
    assert (done.file_counts.completed, done.file_counts.total) == (4, 4), done
    listed = list(batches.list_files(done.id, vector_store_id=store_id, limit=3, order="asc"))
    assert [entry.id for entry in listed] == ids, listed
    assert listed[0].attributes == {"batch": 1}, listed

    with_attributes = [{"file_id": upload("a.txt", b"x").id, "attributes": {"number": number}} for number in range(2)]
    begun = batches.create(store_id, files=with_attributes)
    assert begun.status == "in_progress", begun
    assert batches.retrieve(begun.id, vector_store_id=store_id).file_counts.in_progress == 2
    assert batches.cancel(begun.id, vector_store_id=store_id).status == "cancelled"
    entry = client.vector_stores.files.retrieve(with_attributes[1]["file_id"], vector_store_id=store_id)
    assert (entry.status, entry.attributes) == ("cancelled", {"number": 1}), entry

    refused(
        openai.BadRequestError,
        lambda: batches.create(store_id, file_ids=ids, files=with_attributes),
        code="invalid_value",
    )
    refused(
        openai.BadRequestError,
        lambda: batches.create(store_id, file_ids=ids * 501),
        "Invalid 'file_ids': array too long. Expected an array with maximum length 2000, "
        "but got an array with length 2004 instead.",
        code="array_above_max_length",
    )
    refused(openai.NotFoundError, lambda: batches.retrieve("vsfb_none", vector_store_id=store_id))


def search():
    files = client.vector_stores.files
    for name, text, size in [("fox.txt", b"a quick red fox", 1), ("dog.txt", b"a lazy brown dog", 2)]:
        files.create_and_poll(upload(name, text).id, vector_store_id=store_id, attributes={"name": name, "size": size})
    found = client.vector_stores.search(store_id, query="Which fox is quick?").data
    assert found[0].filename == "fox.txt" and found[0].content[0].text == "a quick red fox", found
    assert 0 < found[0].score <= 1 and found[0].attributes == {"name": "fox.txt", "size": 1}, found
    small = {"type": "lt", "key": "size", "value": 2}
    large = {"type": "or", "filters": [{"type": "eq", "key": "size", "value": 2}, {"type": "gt", "key": "size", "value": 5}]}
    names = lambda filters: [hit.filename for hit in client.vector_stores.search(store_id, query=["a"], filters=filters)]
    assert names(small) == ["fox.txt"] and names(large) == ["dog.txt"]
    assert names({"type": "in", "key": "name", "value": ["dog.txt"]}) == ["dog.txt"]
    only = client.vector_stores.search(
        store_id, query="a", max_num_results=1, rewrite_query=True, ranking_options={"ranker": "auto", "score_threshold": 0.5}
    )
    assert len(only.data) == 1, only
    refused(
        openai.BadRequestError,
        lambda: client.vector_stores.search(store_id, query="a", max_num_results=51).data,
        code="integer_above_max_value",
    )


def keys():
    stranger = client.with_options(api_key="sk-other")
    refused(openai.AuthenticationError, lambda: stranger.files.list().data, "Incorrect API key", code="invalid_api_key")


for part in [files, vector_stores, vector_store_files, batches, search, keys]:
    part()
    print(part.__name__)
print("all done")
