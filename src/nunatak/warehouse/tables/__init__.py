"""Tables and views: what is known of them, and who writes to them."""
