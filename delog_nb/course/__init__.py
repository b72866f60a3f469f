"""The course without its drawings: exercises, claims, the lessons as files."""
