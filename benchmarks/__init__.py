"""What a token costs on its way through the product, beside a byte forwarder in the same run."""
