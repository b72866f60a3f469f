"""Commands about the course: its lessons, its exercises and its evidence."""
