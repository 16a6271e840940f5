"""Where conversations are kept between requests."""
