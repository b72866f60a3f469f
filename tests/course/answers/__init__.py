"""Right and wrong answers to the exercises, a file a lesson."""
