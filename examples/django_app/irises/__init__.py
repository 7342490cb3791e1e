"""A Django project with one view."""
