"""The Python client, tried: exercise.py URL [API key]"""

import io
import json
import pathlib
import sys
import tarfile

from outriggers_definition_api_client import AuthenticatedClient, Client
from outriggers_definition_api_client.api.catalog import export_definitions, import_definitions, search_definitions
from outriggers_definition_api_client.api.metrics import (
    create_metric,
    delete_metric,
    get_metric,
    list_metric_revisions,
    list_metrics,
    patch_metric,
)
from outriggers_definition_api_client.api.policies import get_policy_bundle
from outriggers_definition_api_client.models import CatalogType0, MergePatch, MetricNew

SAMPLE = pathlib.Path(__file__).parent.parent / "tests/data/definitions/metric.json"
ID = "sdk-python"


def hold(answer, status):
    """The answer, which must have this status."""
    assert answer.status_code == status, f"{answer.status_code}, wanted {status}: {answer.content[:500]!r}"
    return answer


def main(url, key=""):
    common = {"base_url": url, "raise_on_unexpected_status": True}
    client = AuthenticatedClient(token=key, **common) if key else Client(**common)
    sample = json.loads(SAMPLE.read_text()) | {"metric_id": ID, "name": "Tried by the Python client"}

    delete_metric.sync_detailed(ID, client=client)
    made = hold(create_metric.sync_detailed(client=client, body=MetricNew.from_dict(sample)), 201)
    assert made.parsed.data.metric_id == ID
    hold(create_metric.sync_detailed(client=client, body=MetricNew.from_dict(sample)), 409)

    found = hold(get_metric.sync_detailed(ID, client=client), 200)
    assert found.parsed.data.name == sample["name"]
    assert found.headers["etag"] == made.headers["etag"]
    tag = found.headers["etag"]
    listed = hold(list_metrics.sync_detailed(client=client, limit=100), 200)
    assert ID in [metric.metric_id for metric in listed.parsed.data]

    change = MergePatch.from_dict({"description": "Changed by the Python client."})
    hold(patch_metric.sync_detailed(ID, client=client, body=change, if_match='"999999"'), 412)
    hold(patch_metric.sync_detailed(ID, client=client, body=change, if_match=tag), 200)
    revisions = hold(list_metric_revisions.sync_detailed(ID, client=client), 200)
    assert len(revisions.parsed.data) >= 2, revisions.parsed
    assert "description" in revisions.parsed.data[0].fields_changed

    hits = hold(search_definitions.sync_detailed(client=client, q="Changed by the Python client"), 200)
    assert ID in [hit.id for hit in hits.parsed.data]
    exported = hold(export_definitions.sync_detailed(client=client), 200)
    catalog = CatalogType0.from_dict(json.loads(exported.content))
    report = hold(import_definitions.sync_detailed(client=client, body=catalog, dry_run=True), 200)
    assert json.loads(report.content)["data"]["refused"] == 0, report.content
    bundle = hold(get_policy_bundle.sync_detailed(client=client), 200)
    names = tarfile.open(fileobj=io.BytesIO(bundle.content)).getnames()
    assert any(name.endswith(".rego") for name in names), names

    hold(delete_metric.sync_detailed(ID, client=client), 200)
    gone = hold(get_metric.sync_detailed(ID, client=client), 404)
    assert gone.parsed.success is False
    print("the Python client made, read, changed, found, exported, imported and removed a definition")


main(*sys.argv[1:])
