"""Reports: figures and documents as data, then HTML and Markdown."""

from knowhy.reports.document import document
from knowhy.reports.html import write_html
from knowhy.reports.markdown import write_markdown
from knowhy.reports.versus import write_comparison
from knowhy.reports.writing import write

__all__ = ["document", "write", "write_comparison", "write_html", "write_markdown"]
