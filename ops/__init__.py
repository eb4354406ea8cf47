"""Operations: the development broker, benches, dashboards, manifests."""
