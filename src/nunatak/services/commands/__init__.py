"""What statements ask of services: commands write what is wanted and return."""
