"""The one door to Elasticsearch: nothing else in the package imports its client or meets its
exceptions. `connection` says where and as whom, `client` talks, `troubles` turns what goes wrong
into `imgsearch.errors`, `patience` says for how long to try again."""
