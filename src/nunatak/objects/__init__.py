"""Objects of the account that are neither models nor services: each kind with its rules."""
