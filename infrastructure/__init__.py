"""What touches the world: stores, servers, files."""
