"""PostgreSQL: connections, named SQL, migrations, group commit, an embedded server. No product words."""
