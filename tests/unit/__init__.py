"""Pure code: values, names, ops, parts, parsing."""
