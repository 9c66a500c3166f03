"""What the API and the worker both import: settings, database, models, rules, errors, logs. It does not use Flask."""
