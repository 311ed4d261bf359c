"""The migration library: everything that decides and acts, with no Pulumi in it."""
