"""Read labels from JSON."""

import json

from mnv2_engines.errors import LabelsError
from mnv2_engines.labels.ids import Labels, add_id, in_order, is_id

__all__ = ["parse_json"]


def parse_json(text: str, source: str) -> Labels:
    """Read a list of names, ``{id: name}``, ``{name: id}``, or the `id2label` of a Hugging Face config.json."""
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise LabelsError(f"{source} is no valid JSON ({exc})") from exc
    if isinstance(document, dict) and isinstance(document.get("id2label"), dict):
        document = document["id2label"]
    if isinstance(document, list):
        return tuple(_name(item, source) for item in document)
    if not isinstance(document, dict):
        raise LabelsError(f"{source} holds {document!r:.40}: expected a list of names or an object of ids and names")
    names: dict[int, str] = {}
    if all(isinstance(value, int) and not isinstance(value, bool) for value in document.values()):
        for name, number in document.items():
            add_id(names, number, name.strip(), source)
    else:
        for key, value in document.items():
            if not is_id(key):
                raise LabelsError(f"{source}: {key[:40]!r} is no id: expected {{id: name}} or {{name: id}} throughout")
            add_id(names, int(key), _name(value, source), source)
    return in_order(names, source)


def _name(item: object, source: str) -> str:
    if isinstance(item, list) and item:
        item = item[-1]  # Keras' imagenet_class_index.json: {"0": ["n01440764", "tench"]}
    if not isinstance(item, str):
        raise LabelsError(f"{source}: {str(item)[:40]} is no name: expected text")
    return item.strip()
