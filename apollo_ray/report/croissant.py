"""The finished text of a run as Croissant metadata (JSON-LD, mlcommons.org/croissant/1.0), for catalogues and loaders.

A part of a step is a FileObject with its SHA-256, and a RecordSet whose fields are the columns of its rows. To join all
parts in one RecordSet would take their folder, of which only the files that the manifest lists count.
"""

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from apollo_ray.records import CONVERSATION, DOCUMENT
from apollo_ray.report.cards import UNSTATED, licenses_of
from apollo_ray.report.contents import Report
from apollo_ray.store import Manifest, Store, step_directory

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the standard prescribes (version 1.0), word for word."""
CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
PARQUET = "application/x-parquet"
SCHEMAS = {"document": DOCUMENT, "conversation": CONVERSATION}


def croissant(report: Report, store: Store) -> dict[str, Any]:
    """Metadata of the corpus and rewrite steps that are finished. The same report gives the same document."""
    manifests = [step.manifest for step in report.steps if step.manifest and step.manifest.data]
    texts = [manifest for manifest in manifests if manifest.stage in ("corpus", "rewrite")]
    distribution: list[dict[str, Any]] = []
    records = []
    for manifest in texts:
        files = _files(manifest, store)
        distribution += files
        records += [_record_set(manifest, file, len(files)) for file in files]
    ended = max((manifest.ended for manifest in texts), default="")
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": report.run,
        "description": _description(report, texts),
        "license": list(licenses_of(report.data_card)) or [UNSTATED],
        "citeAs": "Wang et al. 2024, Apollo (arXiv 2403.03640), for the recipe; the sources for their text",
        "url": store.uri if "://" in store.uri else f"file://{store.uri}",
        "version": "1.0.0",
        **({"datePublished": ended[:10]} if ended else {}),
        "creator": {"@type": "Organization", "name": "Apollo Ray, from the sources named in the description"},
        "inLanguage": sorted(
            {lang for funnel in report.funnels for lang in (row.name for row in funnel.languages if row.kept)}
        ),
        "distribution": distribution,
        "recordSet": records,
    }


def as_json(metadata: dict[str, Any]) -> bytes:
    return json.dumps(metadata, indent=1, ensure_ascii=False).encode("utf-8", "replace")


def _description(report: Report, texts: Iterable[Manifest]) -> str:
    kept = ", ".join(f"{item.step} ({item.counts.kept} of {item.counts.read} {item.counts.unit}s)" for item in texts)
    sources = ", ".join(dict.fromkeys(origin.name for origin in report.data_card.origins))
    return (
        f"Medical text in many languages, cleaned, de-identified by rules and searched for benchmark items by Apollo "
        f"Ray. Steps: {kept or 'none finished'}. Sources: {sources or 'none'}. Less identifying, not anonymous; for "
        "research, not a medical device."
    )


def _files(manifest: Manifest, store: Store) -> list[dict[str, Any]]:
    directory = step_directory(manifest.step, manifest.fingerprint)
    return [
        {
            "@type": "cr:FileObject",
            "@id": f"{manifest.step}/{entry.path}",
            "name": f"{manifest.step}/{entry.path}",
            "description": f"{entry.rows} rows of step {manifest.step}",
            "contentUrl": store.address(directory, entry.path),
            "contentSize": f"{entry.bytes} B",
            "encodingFormat": PARQUET,
            "sha256": entry.sha256,
        }
        for entry in manifest.data
    ]


def _record_set(manifest: Manifest, file: dict[str, Any], parts: int) -> dict[str, Any]:
    """Named as the step where it has one part, else as the part."""
    schema = SCHEMAS["conversation" if manifest.stage == "rewrite" else manifest.settings.get("rows", "document")]
    name = manifest.step if parts == 1 else file["@id"].removesuffix(".parquet")
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Rows that the {manifest.stage} step {manifest.step} kept.",
        "key": {"@id": f"{name}/id"},
        "field": [_field(name, column, file["@id"]) for column in schema],
    }


def _field(records: str, column: pa.Field, file: str) -> dict[str, Any]:
    listed = pa.types.is_list(column.type)
    kind = column.type.value_type if listed else column.type
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{column.name}",
        "name": column.name,
        "dataType": "sc:Text"
        if pa.types.is_string(kind)
        else "sc:Integer"
        if pa.types.is_integer(kind)
        else "sc:Float",
        **({"repeated": True} if listed else {}),
        "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
    }
