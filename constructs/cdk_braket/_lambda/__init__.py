"""The root of the handler's Lambda asset: what stands here is deployed as it is."""
