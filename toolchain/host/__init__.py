"""Language host for Pulumi programs in Python, for machines where the official one cannot be had.

``server`` answers the engine, ``program`` is what it starts in the program's own Python, ``dynamic`` starts the
provider of dynamic resources there, ``describe`` tells what that Python has. Each of them is run by path, from the
cache, and ends with the process that started it (``end_with_parent``).
"""
