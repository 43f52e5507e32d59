"""Kernels by name and from files: everything that turns a SPEC into a Kernel."""
