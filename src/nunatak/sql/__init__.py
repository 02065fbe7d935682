"""Statement text to typed statement to authorised handler: one module per family."""
