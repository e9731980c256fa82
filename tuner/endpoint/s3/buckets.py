"""The operations on the service and on buckets, without the listings."""

from __future__ import annotations

from tuner.domain.buckets import BucketStore, StoredObject
from tuner.endpoint.s3.attributes import refuse_unserved
from tuner.endpoint.s3.body import Body
from tuner.endpoint.s3.errors import S3Error
from tuner.endpoint.s3.request import Request
from tuner.endpoint.s3.response import Response, xml
from tuner.endpoint.s3.xml import Element, document, parse, text_document, timestamp

OWNER: Element = ("Owner", [("ID", "amtlocal"), ("DisplayName", "amtlocal")])

_MOST_DELETED = 1000


def list_all(store: BucketStore, request: Request) -> Response:
    prefix = request.query.get("prefix", "")
    after = request.query.get("continuation-token", "")
    limit = request.number("max-buckets", 10_000, 10_000)
    found = [
        bucket
        for bucket in store.buckets()
        if bucket.name.startswith(prefix) and bucket.name > after
    ]
    page = found[:limit]
    buckets: list[Element] = [
        (
            "Bucket",
            [
                ("Name", bucket.name),
                ("CreationDate", timestamp(bucket.creation_time)),
                ("BucketRegion", bucket.location),
            ],
        )
        for bucket in page
    ]
    more = page[-1].name if page and len(found) > len(page) else None
    children: list[Element] = [
        OWNER,
        ("Buckets", buckets),
        ("ContinuationToken", more),
        ("Prefix", prefix or None),
    ]
    return xml(document("ListAllMyBucketsResult", children))


def create(store: BucketStore, request: Request) -> Response:
    refuse_unserved(request)
    if request.header("x-amz-bucket-object-lock-enabled") in ("true", "True"):
        raise S3Error("NotImplemented", Header="x-amz-bucket-object-lock-enabled")
    location = request.region
    if body := Body(request).document():
        tree = parse(body, "CreateBucketConfiguration")
        location = tree.findtext("LocationConstraint") or location
    try:
        made = store.create_bucket(request.bucket, location)
    except ValueError:
        raise S3Error("InvalidBucketName", BucketName=request.bucket) from None
    # S3's first region answers as if it had been made just now.
    if not made and request.region != "us-east-1":
        raise S3Error("BucketAlreadyOwnedByYou", BucketName=request.bucket)
    return Response(200, [("Location", f"/{request.bucket}")])


def head(store: BucketStore, request: Request) -> Response:
    bucket = store.bucket(request.bucket)
    return Response(200, [("x-amz-bucket-region", bucket.location or request.region)])


def delete(store: BucketStore, request: Request) -> Response:
    store.delete_bucket(request.bucket)
    return Response(204)


def location(store: BucketStore, request: Request) -> Response:
    bucket = store.bucket(request.bucket)
    region = bucket.location or request.region
    return xml(text_document("LocationConstraint", "" if region == "us-east-1" else region))


def versioning(store: BucketStore, request: Request) -> Response:
    store.bucket(request.bucket)
    return xml(document("VersioningConfiguration", []))


def delete_objects(store: BucketStore, request: Request) -> Response:
    store.bucket(request.bucket)
    tree = parse(Body(request).document(), "Delete")
    objects = [
        (item.findtext("Key") or "", item.findtext("VersionId")) for item in tree.iter("Object")
    ]
    if not 0 < len(objects) <= _MOST_DELETED:
        raise S3Error("MalformedXML")
    if any(item.find("ETag") is not None for item in tree.iter("Object")):
        raise S3Error("NotImplemented", "Deleting several objects by their ETag is not served.")
    quiet = (tree.findtext("Quiet") or "").lower() == "true"
    known = [key for key, version in objects if version in (None, "", "null")]
    store.remove(request.bucket, known, _let_pass)
    deleted: list[Element] = [("Deleted", [("Key", key)]) for key in known]
    errors: list[Element] = [
        (
            "Error",
            [
                ("Key", key),
                ("VersionId", version),
                ("Code", "NoSuchVersion"),
                ("Message", "The specified version does not exist."),
            ],
        )
        for key, version in objects
        if version not in (None, "", "null")
    ]
    return xml(document("DeleteResult", errors if quiet else deleted + errors))


def _let_pass(current: StoredObject | None) -> None:
    """Whatever is there may go."""
