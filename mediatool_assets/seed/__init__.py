"""The demo source: a media-tool database in the shape of the one this was built for."""
