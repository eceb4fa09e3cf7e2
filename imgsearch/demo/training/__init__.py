"""How the demo model was made. Not part of the wheel; see README.md in this folder."""
