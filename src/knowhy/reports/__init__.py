"""Reports: figures and documents as data, then HTML and Markdown."""

from knowhy.reports.document import document
from knowhy.reports.html import write_html
from knowhy.reports.markdown import write_markdown

__all__ = ["document", "write_html", "write_markdown"]
