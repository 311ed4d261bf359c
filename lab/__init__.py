"""Two real OpenStack clouds on one machine, for the demo and the tests."""
