"""Where the libraries of an index lie on this machine, and where each photo does."""
