"""What the figures are compared with: the same model behind other servers."""
