"""What operators see of services: metrics and logs."""
