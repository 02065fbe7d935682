"""What is wanted and what is: services, builds, pools and instances as records and values."""
