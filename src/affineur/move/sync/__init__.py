"""Sync: a file says which tags of which repositories are wanted where; what is missing there is brought."""
