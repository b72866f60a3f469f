"""Where images come from: one file a source, each of which gives `Raw` arrays."""
