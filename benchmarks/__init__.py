"""This package beside its peers, one command each: ``python -m benchmarks.NAME``."""
