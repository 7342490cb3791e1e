"""The project for WSGI servers. One line mirrors what it does."""

import os

from django.core.wsgi import get_wsgi_application

from shadow_mw import ShadowWSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "irises.settings")

application = get_wsgi_application()
application = ShadowWSGIMiddleware(application)  # the one line
