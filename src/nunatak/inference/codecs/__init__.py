"""Bodies of requests and answers: JSON and Arrow, in and out."""
