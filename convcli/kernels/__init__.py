"""What a kernel is called and how it is read: from a SPEC to a Kernel."""
