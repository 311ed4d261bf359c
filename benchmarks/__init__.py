"""How cost grows with the fleet, as ratios of what was measured in one run; nothing here is asserted.

``python -m benchmarks`` starts a lab, lets its old cloud grow from 6 to 50 to 200 nodes, and measures at each size.
"""
