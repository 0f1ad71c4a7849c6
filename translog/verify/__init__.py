"""What everyone but the log does: check. Never imports `log`, `store.log` or `server`."""
