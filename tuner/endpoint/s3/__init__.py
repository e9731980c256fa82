"""S3's REST-XML protocol over the object store, as one WSGI application."""

from __future__ import annotations

from tuner.endpoint.s3.app import s3_app

__all__ = ["s3_app"]
