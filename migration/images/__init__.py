"""Images of the new cloud: where they come from, and how they get there."""
