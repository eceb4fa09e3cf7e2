"""The index on one machine: SQLite, and the search files derived from it."""
