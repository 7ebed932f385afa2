"""Object stores on loopback: as much of S3, of Google's XML API and of Azure's Blob service as a client asks for.

Sources: Amazon S3 API reference; Cloud Storage XML API (multipart uploads are S3's); Azure "Put Block", "Put Block
List" and "Blob Batch".
"""

import contextlib
import hashlib
import http.server
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.servers import QuietServer, serving

_MODIFIED = "Fri, 20 Nov 2026 12:00:00 GMT"
_BOUNDARY = "batchresponse_1"


@dataclass(slots=True, kw_only=True)
class ObjectServer:
    """What a server holds, and what it was asked.

    Attributes:
        url: Where it answers.
        objects: Contents by ``bucket/key``.
        uploads: Parts of uploads that are not complete.
        requests: Method and path of each request.
        authorizations: What requests were signed with.
        refuses: Answers every request so; 0 for none.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    refuses: int = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ObjectServer

    def _asked(self) -> tuple[str, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        body = self._body()
        self.state.requests.append(f"{self.command} {self.path}")
        self.state.authorizations.append(self.headers.get("authorization", ""))
        return unquote(parts.path).lstrip("/"), query, body

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"last-modified": _MODIFIED, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if not any(name.lower() == "content-length" for name in headers):
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _get(self) -> None:
        name, _, _ = self._asked()
        content = self.state.objects.get(name)
        if self.state.refuses:
            self._answer(self.state.refuses, b"<Error><Message>internal-address-7391</Message></Error>")
        elif content is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._answer(200, content, etag=_tag(content), x_ms_blob_type="BlockBlob", content_type="application/x")

    def _put(self) -> None:
        name, query, body = self._asked()
        if self.state.refuses:
            self._answer(self.state.refuses)
        elif "partNumber" in query:
            self.state.uploads[query["uploadId"]][query["partNumber"].zfill(6)] = body
            self._answer(200, etag=_tag(body))
        elif query.get("comp") == "block":
            self.state.uploads.setdefault(name, {})[query["blockid"]] = body
            self._answer(201)
        elif query.get("comp") == "blocklist":
            wanted = re.findall(rb"<(?:Uncommitted|Latest)>([^<]+)<", body)
            blocks = self.state.uploads.pop(name, {})
            self.state.objects[name] = b"".join(blocks[each.decode()] for each in wanted)
            self._answer(201, etag='"blocks"')
        else:
            self.state.objects[name] = body
            self._answer(201 if self.headers.get("x-ms-blob-type") else 200, etag=_tag(body))

    def _post(self) -> None:
        name, query, body = self._asked()
        if self.state.refuses:
            self._answer(self.state.refuses)
        elif "uploads" in query:
            upload = f"upload-{len(self.state.requests)}"
            self.state.uploads[upload] = {}
            answer = "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
            answer += f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            self._answer(200, answer.encode())
        elif "uploadId" in query:
            parts = self.state.uploads.pop(query["uploadId"])
            self.state.objects[name] = b"".join(parts[number] for number in sorted(parts))
            answer = '<CompleteMultipartUploadResult><ETag>"done"</ETag></CompleteMultipartUploadResult>'
            self._answer(200, answer.encode())
        elif "delete" in query:
            keys = re.findall(rb"<Key>([^<]+)</Key>", body)
            for key in keys:
                self.state.objects.pop(f"{name}/{key.decode()}".replace("//", "/"), None)
            done = b"".join(b"<Deleted><Key>" + key + b"</Key></Deleted>" for key in keys)
            self._answer(200, b"<DeleteResult>" + done + b"</DeleteResult>")
        elif query.get("comp") == "batch":
            self._batch(body)
        else:
            self._answer(400)

    def _batch(self, body: bytes) -> None:
        answer = b""
        for number, path in re.findall(rb"Content-ID: (\d+)\r\n.*?DELETE ([^ ?]+)", body, re.DOTALL):
            gone = self.state.objects.pop(unquote(path.decode()).lstrip("/"), None)
            status = b"202 Accepted" if gone is not None else b"404 The specified blob does not exist."
            answer += f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: ".encode() + number
            answer += b"\r\n\r\nHTTP/1.1 " + status + b"\r\nx-ms-version: 2023-11-03\r\n\r\n"
        answer += f"--{_BOUNDARY}--\r\n".encode()
        self._answer(202, answer, content_type=f"multipart/mixed; boundary={_BOUNDARY}")

    def _delete(self) -> None:
        name, query, _ = self._asked()
        if "uploadId" in query:
            self.state.uploads.pop(query["uploadId"])
            self._answer(204)
            return
        self._answer(204 if self.state.objects.pop(name, None) is not None else 404)

    def do_GET(self) -> None:
        self._get()

    def do_HEAD(self) -> None:
        self._get()

    def do_PUT(self) -> None:
        self._put()

    def do_POST(self) -> None:
        self._post()

    def do_DELETE(self) -> None:
        self._delete()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


@contextlib.contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Run a server for the time of the block."""
    state = ObjectServer()
    handler = type("Handler", (_Handler,), {"state": state})
    with serving(QuietServer(("127.0.0.1", 0), handler)) as port:
        state.url = f"http://127.0.0.1:{port}"
        yield state
