"""A real Elasticsearch for the tests: nodes from Maven's jars, and an HTTP front before them."""
