"""The monitor as a running thing: configuration, threads, alerts. Rules are in `verify`."""
