"""Types of events: what each one's payload must be, and how it is made. docs/formats/events/."""
