"""Makes what the demo company's systems hold, with known truths planted in it.

Every value is a function of seed, customer and purpose, so that the same seed gives the
same rows in chunks of any size.
"""
