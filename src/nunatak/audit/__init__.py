"""Records of what was done and tried: logins, grants, refusals, statements."""
