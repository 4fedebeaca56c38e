"""The developer's tools: `./dev` and what it is made of. Not part of the package."""
