"""The folder that `shadow-mw run` puts on the module path; nothing but `sitecustomize` may lie here."""
