"""Reports: figures and documents as data, then HTML and Markdown."""
