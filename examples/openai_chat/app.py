"""Production: a help desk that speaks OpenAI's format. One line mirrors what it does."""

from wire import chat_api

from shadow_mw import ShadowMiddleware

KNOWN = {
    "parcel": "Your parcel has left our warehouse and should reach you on Monday.",
    "refund": "We send the money back within five days after the goods have arrived here.",
}


def answer(question: str) -> str:
    """What stands under the first known word."""
    known = (text for word, text in KNOWN.items() if word in question.lower())
    return next(known, "I will ask a colleague and come back to you by mail.")


app = chat_api(answer, chunk_chars=12)
app.add_middleware(ShadowMiddleware)  # the one line
