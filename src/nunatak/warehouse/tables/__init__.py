"""What is known of tables and views, and who writes to them."""
