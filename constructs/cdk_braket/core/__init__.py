"""Small building blocks that all other packages use: S3 locations, names, tokens, text, errors.

A module belongs here only if it knows no option of a job and declares no resource. It may import
`interfaces` and the asset's `contract` and `api`, and no other package. Start at
`s3_location.Location`, which most of the other packages pass around.
"""
