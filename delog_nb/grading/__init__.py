"""Other people's notebooks: their exercises checked in kernels of their own."""
