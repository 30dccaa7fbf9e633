"""A demonstration: files of a made-up shop, imported like anybody's files, and questions."""
