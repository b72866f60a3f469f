"""What every other room may use: live memory, the machine, the allocator, files written whole."""
