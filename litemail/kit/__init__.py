"""What would serve another product unchanged: database, jobs, errors, ids, money, secrets, guards."""
