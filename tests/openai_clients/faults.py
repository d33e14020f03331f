"""Sees each fault that is waiting as the class of error that OpenAI's own library has for it."""

import openai
from openai import OpenAI

client = OpenAI(max_retries=0)


def fails(kind, code=None):
    try:
        client.files.list().data
    except openai.APIError as error:
        assert type(error) is kind, (type(error), error)
        assert error.code == code, (error.code, error)
        return error
    raise AssertionError(f"it did not fail: {kind}")


for kind in [
    openai.PermissionDeniedError,
    openai.ConflictError,
    openai.UnprocessableEntityError,
    openai.InternalServerError,
]:
    assert fails(kind).request_id
assert fails(openai.RateLimitError, "rate_limit_exceeded").response.headers["x-should-retry"] == "false"
fails(openai.RateLimitError, "insufficient_quota")
assert "<html>" in fails(openai.InternalServerError).response.text
# A reset before the answer, and a body that breaks off.
fails(openai.APIConnectionError)
fails(openai.APIConnectionError)
assert client.files.list().data == []

file = client.files.create(file=("a.txt", b"x"), purpose="user_data")
assert client.with_options(max_retries=2).files.retrieve(file.id).id == file.id
print("all done")
