"""The developer's tools: `./dev` and its modules. Not part of the package."""
