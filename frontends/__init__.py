"""Ways into the tensor IR: the language, einsum strings, torch graphs."""
