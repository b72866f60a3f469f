"""From plain mappings to charts: they know no lesson and no record."""
