"""The Flask app behind the servers of these tests, with the one line.

`SERVED_HOW` is `warm` for an app that asks itself once while it is loaded, as some do, and
`frozen` for a uWSGI of old that runs no threads. `python process_flask_app.py PORT` serves it with eventlet.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Its resolver imports what else is installed, of which trio can't be imported once sockets are patched.
    os.environ["EVENTLET_NO_GREENDNS"] = "yes"
    import eventlet

    eventlet.monkey_patch()

from flask import Flask, Response, request
from process_core import answer_to

from shadow_mw import ShadowWSGIMiddleware

HOW = os.environ.get("SERVED_HOW", "")
if HOW == "frozen":
    sys.modules["uwsgi"].__dict__["has_threads"] = 0

app = Flask(__name__)


@app.post("/<path:path>")
def answer(path: str) -> Response:
    return Response(answer_to(request.path, request.get_data()), content_type="application/json")


app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]
if HOW == "warm":
    app.test_client().post("/predict", data=b"[0]", content_type="application/json")

if __name__ == "__main__":
    import eventlet.wsgi

    eventlet.wsgi.server(eventlet.listen(("127.0.0.1", int(sys.argv[1]))), app, log_output=False)
