"""The multiplexed link: many requests and answers at once on one connection."""
