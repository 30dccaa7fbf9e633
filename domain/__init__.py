"""The business: pure rules over immutable data; needs msgspec and the standard library."""
