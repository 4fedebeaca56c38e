"""The root of the handler's Lambda asset: this folder is deployed without changes."""
