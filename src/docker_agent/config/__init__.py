"""What an agent file declares: shapes, strict decoding with lines, upgrades of old versions."""
