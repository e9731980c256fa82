"""The application: from a request to its operation, and from what went wrong to S3's answer."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from tuner.domain.addresses import KEY_BYTES
from tuner.domain.buckets import BucketNotEmpty, BucketStore, NoSuchBucket, NoSuchUpload
from tuner.endpoint.s3 import buckets, listings, multipart, objects
from tuner.endpoint.s3.attributes import refuse_unserved
from tuner.endpoint.s3.errors import NotModified, S3Error
from tuner.endpoint.s3.request import Request, request_of
from tuner.endpoint.s3.response import BLOCK_BYTES, Blocks, Response, Window
from tuner.endpoint.s3.xml import Element, document

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Operation = Callable[[BucketStore, Request], Response]

_LOG = logging.getLogger(__name__)

# By method and sub-resource.
_SERVICE: dict[tuple[str, str | None], Operation] = {("GET", None): buckets.list_all}
_BUCKET: dict[tuple[str, str | None], Operation] = {
    ("PUT", None): buckets.create,
    ("HEAD", None): buckets.head,
    ("DELETE", None): buckets.delete,
    ("GET", None): listings.list_objects,
    ("GET", "uploads"): listings.list_uploads,
    ("GET", "location"): buckets.location,
    ("GET", "versioning"): buckets.versioning,
    ("POST", "delete"): buckets.delete_objects,
}
_OBJECT: dict[tuple[str, str | None], Operation] = {
    ("PUT", None): objects.put,
    ("GET", None): objects.get,
    ("HEAD", None): objects.head,
    ("DELETE", None): objects.delete,
    ("GET", "tagging"): objects.get_tags,
    ("PUT", "tagging"): objects.put_tags,
    ("DELETE", "tagging"): objects.delete_tags,
    ("POST", "uploads"): multipart.create,
    ("PUT", "uploadId"): multipart.put_part,
    ("GET", "uploadId"): multipart.list_parts,
    ("POST", "uploadId"): multipart.complete,
    ("DELETE", "uploadId"): multipart.abort,
}


def s3_app(store: BucketStore) -> WSGIApplication:
    """S3 over `store`. Whoever mounts it has checked who calls; signatures are not looked at.

    Path style and `BUCKET.localhost`. Bodies and objects pass in pieces. What is not served is
    S3's NotImplemented with status 400; no answer is a 5xx.
    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = _answer(store, environ)
        headers = [(name, value) for name, value in response.headers]
        headers += [("x-amz-request-id", secrets.token_hex(8).upper()), ("x-amz-id-2", "amtlocal")]
        if response.status not in (204, 304):
            headers.append(("Content-Length", str(response.length)))
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
        if isinstance(response.content, bytes):
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.content]
        return _sent(environ, response.content)

    return app


def _sent(environ: WSGIEnvironment, window: Window) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "HEAD":
        window.close()
        return []
    wrap = environ.get("wsgi.file_wrapper")
    return wrap(window, BLOCK_BYTES) if wrap and window.size else Blocks(window)


def _answer(store: BucketStore, environ: WSGIEnvironment) -> Response:
    try:
        request = request_of(environ)
    except S3Error as error:
        return _refused(error, None)
    try:
        return _operation(request)(store, request)
    except NotModified as same:
        return Response(304, [("ETag", f'"{same.etag}"')])
    except KeyError:
        return _refused(_missing(store, request), request)
    except Exception as error:
        return _refused(_translated(error, request), request)


def _operation(request: Request) -> Operation:
    """Raises S3Error."""
    table = _OBJECT if request.key else _BUCKET if request.bucket else _SERVICE
    sub_resource = request.sub_resource
    operation = table.get((request.method, sub_resource))
    if operation is None and sub_resource is None and request.method != "POST":
        raise S3Error("MethodNotAllowed", Method=request.method)
    if operation is None:
        raise S3Error(
            "NotImplemented",
            f"{request.method} ?{sub_resource} is not served here."
            if sub_resource
            else "Uploads by HTML form are not served here.",
        )
    if len(request.key.encode()) > KEY_BYTES:
        raise S3Error("KeyTooLongError", MaxSizeAllowed=str(KEY_BYTES))
    if request.query.get("versionId", "null") not in ("null", ""):
        raise S3Error(
            "InvalidArgument",
            "Invalid version id specified",
            ArgumentName="versionId",
            ArgumentValue=request.query["versionId"],
        )
    if request.key:
        refuse_unserved(request)
    return operation


def _missing(store: BucketStore, request: Request) -> S3Error:
    try:
        store.bucket(request.bucket)
    except NoSuchBucket:
        return S3Error("NoSuchBucket", BucketName=request.bucket)
    return S3Error("NoSuchKey", Key=request.key)


def _translated(error: Exception, request: Request) -> S3Error:
    if isinstance(error, S3Error):
        return error
    if isinstance(error, NoSuchBucket):
        return S3Error("NoSuchBucket", BucketName=str(error))
    if isinstance(error, BucketNotEmpty):
        return S3Error("BucketNotEmpty", BucketName=str(error))
    if isinstance(error, NoSuchUpload):
        return S3Error("NoSuchUpload", UploadId=str(error))
    if isinstance(error, OSError) and error.strerror:
        _LOG.error("%s of an object failed: %s", request.method, error)
        return S3Error("InvalidRequest", f"The object store failed: {error.strerror}.")
    _LOG.exception("%s of an object failed", request.method)
    return S3Error("InvalidRequest", "The request could not be served; the log has the reason.")


def _refused(error: S3Error, request: Request | None) -> Response:
    children: list[Element] = [("Code", error.code), ("Message", error.message)]
    children += error.details.items()
    if request is not None:
        children.append(("Resource", "/" + "/".join(filter(None, (request.bucket, request.key)))))
    content = document("Error", children, namespace=False)
    return Response(error.status, [("Content-Type", "application/xml")], content)
