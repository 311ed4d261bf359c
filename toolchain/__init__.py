"""Where the Pulumi engine, its language host and the OpenStack provider come from."""
