"""From folders of photos to rows in an index."""
