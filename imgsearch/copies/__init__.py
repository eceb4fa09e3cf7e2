"""Copies of one picture: told apart, put together, listed."""
