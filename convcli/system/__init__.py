"""What is asked of the machine: interrupts, memory, cores, a cluster."""
