"""The pictures of a folder: listed, filtered side by side, reported, resumed."""
