"""Ceph, the storage of the new cloud."""
