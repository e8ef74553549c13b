"""The target database: made, marked, and left clean."""
