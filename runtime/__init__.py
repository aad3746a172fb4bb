"""Runtime: tensors, conversion, files, the cache of machine code, threads."""
