"""The shadow: answers in other words, and in other chunks. It needs nothing of shadow_mw."""

from wire import chat_api

KNOWN = {
    "parcel": "Your parcel has left our warehouse and will reach you on Monday.",
    "refund": "Please have a look at our terms.",
}


def answer(question: str) -> str:
    """What stands under the first known word."""
    known = (text for word, text in KNOWN.items() if word in question.lower())
    return next(known, "I will ask a colleague and come back to you by mail.")


app = chat_api(answer, chunk_chars=5)
