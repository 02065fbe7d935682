"""What all parts of an instance share: configuration, columns, signatures, errors."""
