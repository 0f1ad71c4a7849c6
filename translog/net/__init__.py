"""Outbound requests, bounded in time and size. They decide nothing, and trust no answer."""
