"""The schema in pg_dump's own words: dumped, taken apart by its table of contents, restored object by object."""
