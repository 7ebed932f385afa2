"""Who may do what: users, sessions, tokens, projects, members, roles."""
