"""What makes exact and nearly exact search fast: derived from SQLite, made again at any time."""
