"""Signatures: what botocore signs is admitted, and nothing that was changed on its way."""

from __future__ import annotations

import http.client
import io
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.endpoint.endpoint_server import Neighbours, client, endpoint, serving
from tests.service.service_home import Home
from tuner.endpoint.answers import Refused
from tuner.endpoint.incoming import Incoming
from tuner.endpoint.s3.request import RAW_HEADERS
from tuner.endpoint.signatures import signed_policy

KEY, SECRET = "AKIDEXAMPLE", "a/secret+key"
JSON = "application/x-amz-json-1.1"
SKEW = {"sagemaker": 5, "logs": 5, "s3": 15, "sts": 15}


@dataclass(frozen=True)
class Sent:
    """A request on its way."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str, value: str | None) -> Sent:
        """With another value of a header, or none."""
        kept = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        return replace(self, headers=(*kept, *([(name, value)] if value is not None else [])))

    def get(self, name: str) -> str:
        return next(value for key, value in self.headers if key.lower() == name.lower())

    def incoming(self) -> Incoming:
        environ: dict[str, Any] = {
            RAW_HEADERS: self.headers,
            "REQUEST_METHOD": self.method,
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.input": io.BytesIO(self.body),
        }
        for name, value in self.headers:
            cgi = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if cgi == "CONTENT_TYPE" else f"HTTP_{cgi}"] = value
        return Incoming(environ, self.method, self.path, self.query)


def signed(
    service: str,
    sent: Sent,
    *,
    region: str = "eu-west-1",
    presigned: int | None = None,
    token: str | None = None,
    secret: str = SECRET,
) -> Sent:
    """By botocore, now."""
    credentials = Credentials(KEY, secret, token)
    url = f"http://127.0.0.1:4566{sent.path}" + (f"?{sent.query}" if sent.query else "")
    data = b"" if presigned else sent.body
    request = AWSRequest(sent.method, url, dict(sent.headers), data)
    kinds = (S3SigV4Auth, S3SigV4QueryAuth) if service == "s3" else (SigV4Auth, SigV4QueryAuth)
    if presigned is None:
        kinds[0](credentials, service, region).add_auth(request)
    else:
        kinds[1](credentials, service, region, expires=presigned).add_auth(request)
    parts = urlsplit(request.url)
    headers = (*request.headers.items(), ("Host", "127.0.0.1:4566"))
    return Sent(sent.method, parts.path, parts.query, headers, sent.body)


def refused(sent: Sent, later: float = 0) -> Refused | None:
    """What is said of it, so many seconds after it was signed."""
    policy = signed_policy({KEY: SECRET}.get, lambda: time.time() + later)
    try:
        policy(sent.incoming())
    except Refused as error:
        assert 400 <= error.status < 500
        return error
    return None


def said(sent: Sent, later: float = 0) -> tuple[int, str]:
    error = refused(sent, later)
    assert error is not None
    return error.status, error.code


LIST = Sent(
    "POST",
    "/",
    "",
    (("X-Amz-Target", "SageMaker.ListTrainingJobs"), ("Content-Type", JSON)),
    b"{}",
)
PUT = Sent("PUT", "/bucket/a%20key/%2B~/../x", "partNumber=1&uploadId=a%2Fb", (), b"content")
IDENTITY = Sent(
    "POST",
    "/",
    "",
    (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),),
    b"Action=GetCallerIdentity&Version=2011-06-15",
)
INVOKE = Sent("POST", "/endpoints/arn%3Aa/invocations", "", (("Content-Type", "text/csv"),), b"1")
WHAT = [("sagemaker", LIST), ("s3", PUT), ("sts", IDENTITY), ("sagemaker", INVOKE)]
WRONG = {
    "sagemaker": [(400, "InvalidSignatureException"), (403, "InvalidSignatureException")],
    "s3": [(403, "SignatureDoesNotMatch")],
    "sts": [(403, "SignatureDoesNotMatch")],
}


@pytest.mark.parametrize(("service", "sent"), WHAT)
@pytest.mark.parametrize("token", [None, "a/session+token=="])
def test_what_botocore_signs_is_admitted(service: str, sent: Sent, token: str | None) -> None:
    assert refused(signed(service, sent, token=token)) is None
    assert refused(signed(service, sent, token=token).header("User-Agent", "changed")) is None


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_presigned_urls_are_admitted_with_any_body(method: str) -> None:
    sent = signed("s3", replace(PUT, method=method), presigned=60, token="token")
    assert refused(replace(sent, body=b"another")) is None
    assert refused(sent, later=59) is None


def tampered(service: str, sent: Sent) -> Iterator[tuple[str, Sent]]:
    yield "method", replace(sent, method="GET" if sent.method != "GET" else "PUT")
    yield "path", replace(sent, path=f"{sent.path}x")
    yield "path case", replace(sent, path=f"{sent.path}/%2b")
    yield "fragment", replace(sent, path=f"{sent.path}#x")
    yield "tab", replace(sent, path=f"{sent.path}\t")
    yield "query", replace(sent, query=f"{sent.query}&versions".lstrip("&"))
    yield "host", sent.header("Host", "127.0.0.1:4567")
    for name, value in sent.headers:
        lower = name.lower()
        if lower.startswith("x-amz-") and lower != "x-amz-date":
            yield name, sent.header(name, f"{value}x")
            yield f"no {name}", sent.header(name, None)
    yield "token", sent.header("X-Amz-Security-Token", "another")
    yield "copy source", sent.header("X-Amz-Copy-Source", "/bucket/secret")
    if service != "s3":
        yield "body", replace(sent, body=sent.body + b" ")
    if not sent.query.count("X-Amz-Signature"):
        text = sent.get("Authorization")
        yield (
            "signature",
            sent.header("Authorization", text[:-1] + ("0" if text[-1] != "0" else "1")),
        )
        yield "region", sent.header("Authorization", text.replace("eu-west-1", "eu-west-2"))
        yield "service", sent.header("Authorization", text.replace(f"/{service}/", "/iam/"))
        yield "key", sent.header("Authorization", text.replace(KEY, "AKIDOTHER"))
        yield "headers", sent.header("Authorization", text.replace("host;", ""))
        yield "empty", sent.header("Authorization", text.rpartition("=")[0] + "=")
        yield "algorithm", sent.header("Authorization", text.replace("SHA256", "SHA1"))
        yield "twice", sent.header("Authorization", f"{text}, {text}")
        yield "date", sent.header("X-Amz-Date", "20200101T000000Z")
        yield "no date", sent.header("X-Amz-Date", None)
    else:
        for name in ("Expires", "Date", "Credential", "SignedHeaders", "Signature", "Algorithm"):
            yield (
                name,
                replace(sent, query=sent.query.replace(f"X-Amz-{name}=", f"X-Amz-{name}=1")),
            )
            yield f"no {name}", replace(sent, query=sent.query.replace(f"X-Amz-{name}=", "x="))
            yield f"{name} twice", replace(sent, query=f"{sent.query}&X-Amz-{name}=1")


@pytest.mark.parametrize(("service", "sent"), WHAT)
@pytest.mark.parametrize("presigned", [None, 60])
def test_nothing_signed_can_be_changed(service: str, sent: Sent, presigned: int | None) -> None:
    if presigned and service != "s3":
        sent = Sent("GET", "/", "Action=GetCallerIdentity")
    original = signed(service, sent, presigned=presigned)
    assert refused(original) is None
    for part, changed in tampered(service, original):
        assert refused(changed) is not None, part


@pytest.mark.parametrize(("service", "sent"), WHAT)
def test_a_wrong_secret_is_told_in_the_services_words(service: str, sent: Sent) -> None:
    assert said(signed(service, sent, secret="wrong")) in WRONG[service]


def test_s3_shows_what_it_signed() -> None:
    error = refused(signed("s3", PUT, secret="wrong"))
    assert error is not None
    assert error.details["CanonicalRequest"].startswith("PUT\n/bucket/a%20key/%2B~/../x\npart")
    assert error.details["StringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert SECRET not in str(error.details)


@pytest.mark.parametrize(("service", "sent", "told"), [
    ("sagemaker", LIST, (400, "UnrecognizedClientException")),
    ("s3", PUT, (403, "InvalidAccessKeyId")),
    ("sts", IDENTITY, (403, "InvalidClientTokenId")),
])  # fmt: skip
def test_an_unknown_key(service: str, sent: Sent, told: tuple[int, str]) -> None:
    made = signed(service, sent)
    unknown = made.header("Authorization", made.get("Authorization").replace(KEY, "UNKNOWN"))
    assert said(unknown) == told


@pytest.mark.parametrize(("sent", "told"), [
    (LIST, (400, "MissingAuthenticationTokenException")),
    (IDENTITY, (403, "MissingAuthenticationToken")),
    (PUT, (403, "AccessDenied")),
    (Sent("GET", "/_tuner/health"), (403, "AccessDenied")),
    (Sent("GET", "/b/k", "AWSAccessKeyId=x&Signature=y"), (400, "InvalidRequest")),
    (PUT.header("Authorization", "AWS key:signature"), (400, "InvalidRequest")),
    (PUT.header("Authorization", "Basic dGVzdDp0ZXN0"), (400, "InvalidRequest")),
])  # fmt: skip
def test_an_unsigned_request_is_refused(sent: Sent, told: tuple[int, str]) -> None:
    assert said(sent.header("Host", "127.0.0.1:4566")) == told


@pytest.mark.parametrize(
    ("service", "sent"), [("sagemaker", LIST), ("s3", PUT), ("sts", IDENTITY)]
)
def test_clocks_may_differ_by_so_much(service: str, sent: Sent) -> None:
    made, most = signed(service, sent), SKEW[service] * 60
    for later in (most - 5, 5 - most):
        assert refused(made, later) is None
    for later in (most + 5, -most - 5):
        error = refused(made, later)
        assert error is not None
        if service == "s3":
            assert (error.status, error.code) == (403, "RequestTimeTooSkewed")
            assert error.details["MaxAllowedSkewMilliseconds"] == "900000"
        else:
            assert (error.status, error.code) in WRONG[service]
            words = "Signature expired: " if later > 0 else "Signature not yet current: "
            assert error.message.startswith(words + made.get("X-Amz-Date"))
            assert error.message.endswith(f" {'-' if later > 0 else '+'} {SKEW[service]} min.)")


def test_a_presigned_url_expires() -> None:
    made = signed("s3", replace(PUT, method="GET"), presigned=60)
    assert said(made, later=62) == (403, "AccessDenied")
    error = refused(made, later=62)
    assert error is not None
    assert error.message == "Request has expired"
    assert error.details["X-Amz-Expires"] == "60"
    assert said(made, later=-16 * 60) == (403, "AccessDenied")
    week = signed("s3", replace(PUT, method="GET"), presigned=604_801)
    assert said(week) == (400, "AuthorizationQueryParametersError")


def test_headers_that_are_acted_on_must_be_signed() -> None:
    made = signed("s3", PUT).header("x-amz-acl", "public-read")
    error = refused(made)
    assert error is not None
    assert (error.code, error.details["HeadersNotSigned"]) == ("AccessDenied", "x-amz-acl")
    presigned = signed("s3", PUT, presigned=60).header("x-amz-tagging", "a=b")
    assert said(presigned) == (403, "AccessDenied")


@pytest.mark.parametrize(
    "stated",
    ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
     "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"],
)  # fmt: skip
def test_a_stream_signs_its_name_for_its_hash(stated: str) -> None:
    made = _stating(stated)
    assert refused(made) is None
    assert said(made.header("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD-")) == (
        400,
        "InvalidArgument",
    )


def test_s3_wants_a_hash_and_others_take_no_name_for_one() -> None:
    assert said(_stating("nonsense")) == (400, "InvalidArgument")
    assert said(signed("sagemaker", LIST.header("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"))) == (
        400,
        "InvalidSignatureException",
    )


def _stating(payload: str) -> Sent:
    class Stating(S3SigV4Auth):
        def payload(self, request: AWSRequest) -> str:
            return payload

    request = AWSRequest("PUT", "http://127.0.0.1:4566/b/k", {}, b"x")
    Stating(Credentials(KEY, SECRET), "s3", "eu-west-1").add_auth(request)
    headers = (*request.headers.items(), ("Host", "127.0.0.1:4566"))
    return Sent("PUT", "/b/k", "", headers, b"x")


def test_the_date_of_the_scope_is_the_day_of_the_request() -> None:
    made = signed("sagemaker", LIST)
    today = f"{datetime.now(UTC):%Y%m%d}"
    other = made.header("Authorization", made.get("Authorization").replace(today, "20200101"))
    assert said(other) == (400, "IncompleteSignatureException")


def test_two_ways_to_sign_are_one_too_many() -> None:
    made = signed("s3", replace(PUT, method="GET"), presigned=60)
    assert said(made.header("Authorization", "AWS4-HMAC-SHA256 x")) == (400, "InvalidArgument")


def signed_v2(sent: Sent, seconds: int = 60, auth_path: str | None = None) -> Sent:
    request = AWSRequest(
        sent.method,
        f"http://host{sent.path}?{sent.query}",
        dict(sent.headers),
        auth_path=auth_path,
    )
    HmacV1QueryAuth(Credentials(KEY, SECRET, "token"), seconds).add_auth(request)
    return replace(sent, query=urlsplit(request.url).query).header("Host", "localhost:4566")


def test_urls_of_version_2_are_admitted_until_they_expire() -> None:
    made = signed_v2(replace(PUT, query="uploadId=a%2Fb&partNumber=1"))
    assert refused(made) is None
    assert refused(made, later=58) is None
    assert said(made, later=62) == (403, "AccessDenied")
    hosted = signed_v2(Sent("GET", "/k"), auth_path="/bucket/k")
    assert refused(hosted.header("Host", "bucket.localhost:4566")) is None
    assert said(hosted.header("Host", "other.localhost:4566")) == (403, "SignatureDoesNotMatch")


def test_nothing_of_a_url_of_version_2_can_be_changed() -> None:
    made = signed_v2(Sent("GET", "/bucket/key", "uploadId=1"))
    assert refused(made) is None
    other = f"X-Amz-Credential={KEY}/20260101/eu-west-1/iam/aws4_request"
    for changed in (
        replace(made, method="PUT"),
        replace(made, path="/bucket/other"),
        replace(made, query=made.query.replace("uploadId=1", "uploadId=2")),
        replace(made, query=f"{made.query}&tagging"),
        replace(made, query=f"{made.query}&Expires=99999999999"),
        replace(made, query=made.query.replace("Expires=", "Expires=9")),
        replace(made, query=made.query.replace("Expires=", "Expires=x")),
        replace(made, query=made.query.replace("Signature=", "Signature=a")),
        replace(made, query=made.query.replace(f"AWSAccessKeyId={KEY}", "AWSAccessKeyId=OTHER")),
        replace(made, query=f"{made.query}&{other}&Action=CreateUser"),
        made.header("x-amz-copy-source", "/bucket/secret"),
        made.header("X-Amz-Target", "SageMaker.ListModels"),
    ):
        assert refused(changed) is not None, changed


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
_VALUE = st.text("abc ,;=%~\"'()", min_size=1, max_size=20).map(str.strip).filter(bool)


@settings(max_examples=150, deadline=None)
@given(
    service=st.sampled_from(["s3", "sagemaker"]),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    path=st.lists(_TEXT, max_size=4),
    query=st.lists(st.tuples(_TEXT.filter(bool), _TEXT), max_size=4),
    meta=st.dictionaries(st.sampled_from(["x-amz-meta-a", "x-amz-meta-b_c", "x-amz-b"]), _VALUE),
    body=st.binary(max_size=20),
    presigned=st.sampled_from([None, 60]),
)
def test_whatever_is_signed_is_admitted_and_no_byte_can_be_flipped(
    service: str,
    method: str,
    path: Sequence[str],
    query: Sequence[tuple[str, str]],
    meta: dict[str, str],
    body: bytes,
    presigned: int | None,
) -> None:
    names = {name for name, _ in query}
    sent = Sent(
        method,
        "/" + "/".join(quote(part, safe="~") for part in path),
        "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in query),
        tuple(meta.items()),
        b"" if presigned else body,
    )
    if any(name.startswith("X-Amz-") for name in names) or (presigned and len(names) < len(query)):
        return  # botocore itself keeps one of a repeated parameter
    made = signed(service, sent, presigned=presigned)
    assert refused(made) is None
    assert refused(replace(made, path=f"{made.path}/z")) is not None
    assert refused(replace(made, query=f"{made.query}&z=".lstrip("&"))) is not None
    for name, value in meta.items():
        assert refused(made.header(name, f"{value}z")) is not None


# ---- over a server ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(home: Home) -> Iterator[int]:
    policy = signed_policy({"test": SECRET}.get, time.time)
    with serving(endpoint(home.service, policy, Neighbours())) as port:
        yield port


def test_clients_with_the_key_are_served(port: int) -> None:
    sagemaker, s3 = client(port, "sagemaker", secret=SECRET), client(port, "s3", secret=SECRET)
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    s3.create_bucket(
        Bucket="signed", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    content = os.urandom(9_000_000)
    for key in ("plain", "sp ace+plus%25~", "ümläut/../x", "a//b"):
        s3.upload_fileobj(
            io.BytesIO(content), "signed", key, ExtraArgs={"Metadata": {"a_b": "c d"}}
        )
        assert s3.get_object(Bucket="signed", Key=key)["Body"].read() == content
    assert len(s3.list_objects_v2(Bucket="signed", Prefix="sp a")["Contents"]) == 1
    s3.delete_objects(Bucket="signed", Delete={"Objects": [{"Key": "plain"}]})
    url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": "signed", "Key": "up load"}))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("PUT", f"{url.path}?{url.query}", b"later")
    assert connection.getresponse().status == 200


@pytest.mark.parametrize(("service", "operation", "code"), [
    ("sagemaker", "list_training_jobs", "InvalidSignatureException"),
    ("logs", "describe_log_groups", "InvalidSignatureException"),
    ("s3", "list_buckets", "SignatureDoesNotMatch"),
    ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
    ("ec2", "describe_regions", "SignatureDoesNotMatch"),
    ("lambda", "list_functions", "InvalidSignatureException"),
])  # fmt: skip
def test_clients_with_another_key_read_why(
    port: int, service: str, operation: str, code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client(port, service, secret="wrong"), operation)()
    assert caught.value.response["Error"]["Code"] == code
    assert "signature we calculated does not match" in caught.value.response["Error"]["Message"]


def test_content_that_is_not_what_was_signed_is_not_kept(port: int) -> None:
    s3 = client(port, "s3", secret=SECRET)
    s3.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="kept", Key="k", Body=b"before")
    request = AWSRequest("PUT", f"http://127.0.0.1:{port}/kept/k", {}, b"signed")
    S3SigV4Auth(Credentials("test", SECRET), "s3", "us-west-2").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("PUT", "/kept/k", b"forged", dict(request.headers.items()))
    response = connection.getresponse()
    document = ElementTree.fromstring(response.read())
    assert (response.status, document.findtext("Code")) == (400, "XAmzContentSHA256Mismatch")
    assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == b"before"


def test_nothing_is_served_without_a_signature(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for path in ("/", "/_tuner/health", "/kept/k"):
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, b"AccessDenied" in response.read()) == (403, True)
    headers = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": JSON}
    connection.request("POST", "/", b"{}", headers)
    document = json.loads(connection.getresponse().read())
    assert document["__type"] == "MissingAuthenticationTokenException"
