"""The machine: files, memory, processes, devices."""
