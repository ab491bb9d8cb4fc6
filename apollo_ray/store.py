"""The store: what is finished, and how one knows.

    {store}/{step}/{fingerprint}/data/part-*.parquet     rows of this step's type (a mix step: part-*.arrow)
                                /dropped/part-*.parquet  refused rows with their reasons
                                /manifest.json           written LAST; its existence means finished
    {store}/runs/{run}.json                              pointers only: step -> fingerprint

Any fsspec address serves: a folder, s3://, gs://. Object stores have no rename, so part names are unique to the attempt
that wrote them and readers take only the files that a manifest lists.
"""

import hashlib
import json
import os
import posixpath
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.tables import decode, encode

STARTER = "starter://"
FINGERPRINT_DIGITS = 16


@dataclass(frozen=True)
class FileEntry:
    """One file of a finished step. `path` is relative to the step's directory; `rows` is 0 for files without rows."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Counts:
    """The ledger of a step. Every unit that went in was kept or dropped: `read == kept + sum(dropped.values())`."""

    unit: str  # what is counted: row, passage, example, sequence ...
    read: int
    kept: int
    dropped: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lost = self.read - self.kept - sum(self.dropped.values())
        assert lost == 0, f"{lost} of {self.read} units are neither kept nor dropped ({self})"


@dataclass(frozen=True)
class Manifest:
    """What a finished step is made of, so that every number in a report leads back to its rows."""

    step: str
    stage: str
    fingerprint: str
    settings: dict[str, Any]
    inputs: dict[str, str]  # step name, path or hub id -> fingerprint or content digest
    counts: Counts
    data: list[FileEntry]
    dropped: list[FileEntry]
    extra: list[FileEntry]  # models, tokenizers, configs
    summary: dict[str, Any]  # numbers of the stage's own, for the report
    versions: dict[str, str]
    started: str  # ISO 8601, UTC
    ended: str

    @property
    def rows(self) -> int:
        return sum(entry.rows for entry in self.data)


def fingerprint(value: Any) -> str:
    """Hash of a value made of JSON types only. Anything else raises TypeError: a default encoder would fork hashes."""
    return hashlib.blake2b(_canonical(value).encode(), digest_size=FINGERPRINT_DIGITS // 2).hexdigest()


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"cannot fingerprint a mapping with keys that are no strings: {list(value)!r}")
        return "{" + ",".join(f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_canonical(item) for item in value) + "]"
    if value is None or isinstance(value, bool | int | str):
        return json.dumps(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise TypeError(f"cannot fingerprint {value!r}")
        return json.dumps(value)
    raise TypeError(f"cannot fingerprint a {type(value).__name__}: {value!r}")


def open_fs(uri: str) -> tuple[Any, str]:
    """(filesystem, path) of an fsspec address. `starter://` is the corpus inside this package.

    S3 credentials and endpoint come from the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL ...), never settings.
    """
    if uri.startswith(STARTER):
        uri = str(resources.files("apollo_ray") / "starter" / uri.removeprefix(STARTER))
    try:
        filesystem, path = fsspec.core.url_to_fs(uri, **_options(uri))
    except (ValueError, ImportError) as error:
        raise UserError(f"{uri}: no file system for this address: {error}") from error
    return filesystem, path


def _options(uri: str) -> dict[str, Any]:
    if "://" not in uri or uri.startswith("file://"):
        return {"auto_mkdir": True}
    # A cached listing would hide what another worker has just written.
    return {"use_listings_cache": False}


def expand(uri: str) -> list[str]:
    """Addresses of the files that a path or glob names, sorted. Raises UserError where there is none."""
    filesystem, path = open_fs(uri)
    try:
        if any(mark in path for mark in "*?["):
            found = [name for name in filesystem.glob(path) if not filesystem.isdir(name)]
        elif filesystem.isdir(path):
            found = filesystem.find(path)
        else:
            found = [path] if filesystem.exists(path) else []
    except Exception as error:  # every file system raises its own
        raise UserError(f"{uri}: cannot be listed: {_short(error)}") from error
    if not found:
        raise UserError(f"{uri}: no such file")
    if uri.startswith(STARTER):  # so that rows say the same wherever the package is installed
        root = open_fs(STARTER)[1].rstrip("/") + "/"
        return [STARTER + name.removeprefix(root) for name in sorted(found)]
    return [_address(filesystem, name) for name in sorted(found)]


def _address(filesystem: Any, path: str) -> str:
    """Address that open_fs takes again; local files keep their plain path."""
    return path if isinstance(filesystem, LocalFileSystem) else str(filesystem.unstrip_protocol(path))


_digests: dict[tuple[str, int, float], str] = {}


def content_digest(uri: str) -> str:
    """Hash of the bytes behind a path or glob: local files are read, remote ones answer with their ETag or checksum.

    Folder and mount point stay out of it, so a moved corpus keeps its fingerprint.
    """
    digests = []
    for file in expand(uri):
        filesystem, path = open_fs(file)
        if isinstance(filesystem, LocalFileSystem):
            digests.append([posixpath.basename(path), _local_digest(path)])
        else:
            info = filesystem.info(path)
            tag = info.get("ETag") or info.get("etag") or info.get("blob_id") or filesystem.ukey(path)
            digests.append([posixpath.basename(path), f"{info.get('size')}:{str(tag).strip(chr(34))}"])
    return fingerprint(digests)


def _local_digest(path: str) -> str:
    stat = os.stat(path)
    key = (path, stat.st_size, stat.st_mtime)
    if key not in _digests:
        with open(path, "rb") as file:
            _digests[key] = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    return _digests[key]


class Store:
    """Steps under one address. Holds no connection, so it travels to workers as it is."""

    def __init__(self, uri: str) -> None:
        self.uri = uri if "://" in uri else str(Path(uri).expanduser().absolute())

    @property
    def fs(self) -> Any:
        return open_fs(self.uri)[0]

    def path(self, *parts: str) -> str:
        """Path inside the file system."""
        return posixpath.join(open_fs(self.uri)[1], *parts)

    def address(self, *parts: str) -> str:
        """Full address, for messages and for libraries that open files by themselves."""
        return posixpath.join(self.uri, *parts)

    def check_writable(self) -> None:
        """Write, read and remove a probe. Raises UserError naming the address."""
        probe = self.path(f".probe-{uuid.uuid4().hex}")
        try:
            self.write(probe, b"apollo")
            if self.fs.cat_file(probe) != b"apollo":
                raise OSError("what was written could not be read back")
            self.fs.rm_file(probe)
        except Exception as error:  # every file system raises its own; all mean the same to the user
            raise UserError(
                f"store {self.uri!r} cannot be written: {_short(error)}. Check the address, the credentials in the "
                "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL) and that the bucket exists"
            ) from error

    def write(self, path: str, data: bytes) -> None:
        """Whole or not at all: object stores publish a put at once; a local file is renamed into place."""
        filesystem = self.fs
        if isinstance(filesystem, LocalFileSystem):
            temporary = f"{path}.{uuid.uuid4().hex}.tmp"
            filesystem.pipe_file(temporary, data)
            os.replace(temporary, path)
        else:
            filesystem.pipe_file(path, data)

    def read(self, path: str) -> bytes | None:
        """The bytes at `path`, or None where there is nothing."""
        try:
            data: bytes = self.fs.cat_file(path)
        except FileNotFoundError:
            return None
        except Exception as error:  # botocore's and others' connection errors share no base class
            raise ServiceError(f"store {self.uri!r} cannot be read: {_short(error)}") from error
        return data

    def write_table(self, directory: str, table: pa.Table, name: str | None = None) -> FileEntry:
        """`table` as file `name` in `directory`, which is relative to the store: Parquet, or Arrow for `*.arrow`.

        Without a name it is new with every call, so a task that is tried again never mixes with its first try.
        """
        name = name or f"part-{uuid.uuid4().hex}.parquet"
        data = encode(table, name)
        self.write(self.path(directory, name), data)
        entry_path = posixpath.join(posixpath.basename(directory), name)
        return FileEntry(entry_path, table.num_rows, len(data), hashlib.sha256(data).hexdigest())

    def upload(self, folder: str | Path, directory: str, prefix: str) -> list[FileEntry]:
        """Copy a local folder to {directory}/{prefix}/; the entries' paths start with the prefix."""
        entries = []
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file():
                relative = posixpath.join(prefix, file.relative_to(folder).as_posix())
                target = self.path(directory, relative)
                if isinstance(self.fs, LocalFileSystem):
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                self.fs.put_file(str(file), target)
                with file.open("rb") as opened:
                    digest = hashlib.file_digest(opened, "sha256").hexdigest()
                entries.append(FileEntry(relative, 0, file.stat().st_size, digest))
        return entries

    def download(self, directory: str, entries: list[FileEntry], prefix: str, target: str | Path) -> Path:
        """Local copy of the entries under `prefix`, fetched once a host; a local store is used where it lies."""
        if isinstance(self.fs, LocalFileSystem):
            return Path(self.path(directory, prefix))
        for entry in entries:
            if entry.path.startswith(f"{prefix}/"):
                local = Path(target) / entry.path.removeprefix(f"{prefix}/")
                if local.exists() and local.stat().st_size == entry.bytes:
                    continue
                local.parent.mkdir(parents=True, exist_ok=True)
                temporary = f"{local}.{uuid.uuid4().hex}.tmp"
                self.fs.get_file(self.path(directory, entry.path), temporary)
                os.replace(temporary, local)
        return Path(target)

    def read_table(self, directory: str, entry: FileEntry) -> pa.Table:
        """One part as a table. Raises ServiceError where the bytes are not those that the manifest lists."""
        data = self.read(self.path(directory, entry.path))
        if data is None or hashlib.sha256(data).hexdigest() != entry.sha256:
            state = "missing" if data is None else "changed since it was written"
            raise ServiceError(
                f"{self.address(directory, entry.path)} is {state}; remove {self.address(directory)} and run again"
            )
        return decode(data, entry.path)

    def tables(self, manifest: Manifest) -> Iterator[pa.Table]:
        """The tables of a finished step, in the manifest's order."""
        for entry in manifest.data:
            yield self.read_table(step_directory(manifest.step, manifest.fingerprint), entry)

    def manifest(self, step: str, step_fingerprint: str) -> Manifest | None:
        """The manifest of a finished step, or None."""
        data = self.read(self.path(step_directory(step, step_fingerprint), "manifest.json"))
        if data is None:
            return None
        raw = json.loads(data)
        raw["counts"] = Counts(**raw["counts"])
        for group in ("data", "dropped", "extra"):
            raw[group] = [FileEntry(**entry) for entry in raw[group]]
        return Manifest(**raw)

    def finish(self, manifest: Manifest) -> None:
        """Publish a step. The last write of every step."""
        directory = step_directory(manifest.step, manifest.fingerprint)
        self.write(self.path(directory, "manifest.json"), json.dumps(asdict(manifest), indent=1).encode())

    def write_pointers(self, run: str, pointers: dict[str, str]) -> None:
        """{store}/runs/{run}.json: step -> fingerprint."""
        self.write(self.path("runs", f"{run}.json"), json.dumps(pointers, indent=1).encode())

    def pointers(self, run: str) -> dict[str, str]:
        data = self.read(self.path("runs", f"{run}.json"))
        return {} if data is None else dict(json.loads(data))


def step_directory(step: str, step_fingerprint: str) -> str:
    """Directory of a step, relative to the store."""
    return posixpath.join(step, step_fingerprint)


def _short(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__
