"""Minutes of mixed load with disturbances, and then what must hold."""
