"""The report in the forms that it is read in: a terminal, JSON, Markdown, HTML.

- `terminal`: tables at 80 columns
- `markdown`: a comment on a pull request, a build server's summary
- `html`: one file without anything outside of it; `charts`: what is drawn in it
"""
