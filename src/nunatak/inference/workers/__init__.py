"""Worker processes: started, supervised, spoken to in frames."""
