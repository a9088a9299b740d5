"""Tables with an architecture a row, in the forms that benchmarks and users have them."""
