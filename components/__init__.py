"""Pulumi components: one file for each part of a cloud that the stacks declare."""
