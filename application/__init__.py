"""What carries commands out: the journal's protocol and the one function that drives deciders."""
