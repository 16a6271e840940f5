"""Language servers as toolsets: what a code editor asks of one, asked by a model."""
