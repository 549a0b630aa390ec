"""The result of a run as plain data, and the faces that are drawn from it."""
