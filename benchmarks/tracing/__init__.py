"""What a traced process imports before anything else."""
