"""The settings of the project: no database, no sessions."""

SECRET_KEY = "of an example"  # noqa: S105 nothing is signed with it
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "irises.urls"
WSGI_APPLICATION = "irises.wsgi.application"
