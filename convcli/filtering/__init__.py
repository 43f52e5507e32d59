"""A recipe on an array, a frame, a file: what is computed, in the order of the way of a picture."""
