"""Local files that a job needs: algorithm scripts and input data, packed and uploaded.

Code belongs here if it reads the user's disk during synth. Checks of a script's content belong to
`validation.preflight`. Start at `packaging.package_source`, which writes the same archive on every
machine; `local_files` uploads it.
"""
