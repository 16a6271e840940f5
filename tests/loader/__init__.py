"""The loader: from files to live teams."""
