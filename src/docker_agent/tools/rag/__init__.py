"""The rag toolset: documents of the operator, cut into pieces, indexed, and searched by a tool."""
