"""The commands, a file each; `query` and `similar` share one."""
