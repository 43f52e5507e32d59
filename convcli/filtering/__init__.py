"""Apply a recipe to an array, a frame or a file."""
