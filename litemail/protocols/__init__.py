"""Protocol rules as pure functions and types, with the RFC section beside each rule."""
