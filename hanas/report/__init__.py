"""What people look at: tables, figures, the explorer, the comparison with the thesis."""
