"""Other people's notebooks: their answers run in a sandbox, and this side judges the replies."""
