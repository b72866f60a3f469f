"""What learners see: figures, tables and pages. Needs plotly and pandas; the core never does."""
