"""Kernel files, a module for each kind of text."""
