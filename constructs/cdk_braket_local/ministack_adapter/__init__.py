"""The only package that knows MiniStack; the rest of the local AWS knows `platform` alone.

MiniStack's package is imported by `application`, once `environment` has set the variables that it
reads at import. It touches names that are not MiniStack's public interface: `names` lists each of
them, and they are checked at start.
"""
