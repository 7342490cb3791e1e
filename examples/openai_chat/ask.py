"""A caller: OpenAI's own client, told where production is. Asks each question streamed and at once."""

from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none is needed")


def ask(question: str, *, stream: bool) -> str:
    """The answer, put together where it is streamed."""
    messages = [{"role": "user", "content": question}]
    if not stream:
        answer = client.chat.completions.create(model="help-desk", messages=messages)
        return answer.choices[0].message.content
    chunks = client.chat.completions.create(model="help-desk", messages=messages, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


for question in ("Where is my parcel?", "When do I get my refund?"):
    for stream in (True, False):
        print(ask(question, stream=stream))
