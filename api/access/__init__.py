"""Who may do what: keys, roles, and the gate that every request passes."""
