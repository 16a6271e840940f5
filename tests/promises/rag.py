"""The promises about documents that agents search."""

from __future__ import annotations

from tests.promises.promise import kept

RAG = [
    *kept(
        "runtime.md §14.1; agent-file.md §2.11",
        {
            "rag:options": (
                "A source's keys are read strictly, with lines; extras of a strategy are let pass "
                "with a warning."
            ),
            "rag:docs": (
                "Documents are files, directories and globs, relative to the agent file; a "
                "strategy may have its own beside the shared ones."
            ),
            "rag:docs:hidden": "What version control ignores is no document, unless asked for.",
            "rag:docs:outside": (
                "Links are not followed, and no path of the server is shown; a file from elsewhere "
                "reads the working directory alone."
            ),
            "rag:database": "An index lies beside the agent file or among our data.",
        },
    ),
    *kept(
        "runtime.md §14.2",
        {
            "rag:docs:text": "Text is read whatever its encoding; what is no text is left out.",
            "rag:limits": "Files, their number and the index have bounds; what is left is told.",
            "rag:chunks": "Pieces overlap, are never too long, lose nothing, and keep words whole.",
            "rag:code": (
                "Code is cut at its functions, with their comments, in some languages; all else "
                "as text."
            ),
            "rag:starting": (
                "Indexing is background work; until it is done the tool says how far it is, and "
                "runs do not wait longer than for other toolsets."
            ),
            "rag:changes": "Documents that change, appear or vanish while the server runs count.",
            "rag:incremental": (
                "Unchanged files are not indexed again, also after a restart; other settings make "
                "another index."
            ),
            "rag:shared-file": "Several servers and strategies may keep one index file.",
            "rag:broken": "A strategy that fails is told; the others answer.",
            "rag:end": "Indexing ends at once with the server, and leaves nothing half.",
            "rag:gentle": "Indexing does not keep streams waiting.",
            "rag:scope": "All agents of a team share a source, which is indexed once.",
        },
    ),
    *kept(
        "runtime.md §14.3",
        {
            "rag:words": "Words are counted as BM25 wants them, in scripts without blanks too.",
            "rag:bm25": "BM25 scores as its formula says, with `k1`, `b`, `threshold` and `limit`.",
            "rag:meaning": (
                "Pieces whose vectors are near to the question's are found; numpy changes the "
                "speed alone."
            ),
            "rag:meaning:batches": "Texts are sent in batches, a few requests at once.",
            "rag:meaning:incremental": "A text that a model has seen is not sent again.",
            "rag:meaning:changed": (
                "Another model, or vectors of another length, make the index anew."
            ),
            "rag:meaning:secrets": "Secrets do not leave with a text.",
            "rag:semantic": (
                "Pieces are found by what a model says of them, asked as the file says; what they "
                "hold is data to the question."
            ),
            "rag:reranking": (
                "A model judges what was found before the limit; criteria and instructions are the "
                "file's."
            ),
            "rag:reranking:errors": "A judge that fails leaves the order as it was.",
            "rag:meaning:errors": (
                "A model that fails is told once and asked again; a text that it does not take is "
                "left out."
            ),
            "rag:fusion": "Lists are joined by rank, weight or best score; equal texts are one.",
        },
    ),
    *kept(
        "agent-file.md §2.11; agent-file.md §2.7.2",
        {
            "rag:embeddings:wire": (
                "`/embeddings` is asked as the official SDK asks it, and read in any form."
            ),
            "rag:embeddings:errors": "What a model of vectors does wrong is a model error.",
            "rag:embeddings:reached": (
                "Such a model is named, addressed and keyed as chat models are, behind a gateway "
                "too; `auto` takes OpenAI's or Docker Model Runner's."
            ),
            "rag:check": "`check` shows a source's tool and models, and touches nothing.",
            "rag:skills": "Skills that work for themselves may use sources.",
        },
    ),
    *kept(
        "runtime.md §14.4",
        {
            "rag:tool": "One read-only tool with a query, called as the file says.",
            "rag:results": (
                "Results are a JSON list, best first, bounded in number and length; empty when "
                "nothing fits."
            ),
            "rag:usage": "What a search costs counts in the usage of the run.",
            "rag:served": "An agent answers from a document by calling its tool.",
        },
    ),
]
