"""Follow a database's changes: publication, slot, two ways to apply, lag, cutover, and the way back."""
