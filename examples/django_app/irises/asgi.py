"""The project for ASGI servers. One line mirrors what it does."""

import os

from django.core.asgi import get_asgi_application

from shadow_mw import ShadowMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "irises.settings")

application = get_asgi_application()
application = ShadowMiddleware(application)  # the one line
