"""The course as pages without a kernel: notebooks, documents and docstrings, built by Sphinx."""
