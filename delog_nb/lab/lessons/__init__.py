"""What one lesson alone draws; a file is named as its notebook."""
