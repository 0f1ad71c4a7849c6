"""Pages, badge and style file: values in, bytes out. No I/O, no clock, and nothing of the log."""
