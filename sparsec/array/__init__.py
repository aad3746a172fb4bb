"""Tensors as arrays: operators, NumPy's functions, indexing, the functions of the array API.

Everything here is a face on the same kernels.  A function writes the statement that it stands for
(``C[i, j]: csr = A[i, j] + B[i, j]``) and evaluates it: a program is compiled once for the orders, dtypes, formats and
fills of its operands.  Three things need no kernel and have none:

- what maps the values of one tensor, its pattern unchanged (``-A``, ``2 * A``, ``np.exp(A)``): NumPy's function on the
  stored values, and on the fill;
- what moves entries (``A.T``, slices, ``concat``): coordinates;
- what has only dense operands: NumPy.

Nothing makes a sparse operand dense.  A result is sparse where its value is one constant wherever no sparse operand
has an entry, and that constant is its fill; else the result itself is dense.

``sparsec.operators`` finds the modules of this package by name.
"""
