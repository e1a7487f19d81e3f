"""Which columns of a parquet file are pictures and labels, and what the labels say."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unlabeled.data.images.labels import UNLABELLED
from unlabeled.errors import UserError

_PICTURES = ("image", "img", "picture", "jpg", "png")  # of several columns of bytes, the first that is there
_LABELS = ("label", "class")
_EMBEDDINGS = {"path", "index", "embedding"}


def picture_column(schema: Any, shown: str) -> str:
    """The column of pictures: of bytes, or of structs with the field `bytes`, written as "image.bytes".

    Args:
        schema: an Arrow schema.
        shown: the file, for messages.

    Raises:
        UserError: there is none, or there are several and none has a picture's name.
    """
    found: dict[str, str] = {}
    for field in schema:
        if _is_bytes(field.type):
            found[field.name] = field.name
        elif hasattr(field.type, "get_field_index") and field.type.get_field_index("bytes") >= 0:
            found[field.name] = f"{field.name}.bytes"
    if len(found) == 1:
        return next(iter(found.values()))
    for name in _PICTURES:
        if name in found:
            return found[name]
    if found:
        raise UserError(f"{shown} has several columns of bytes ({', '.join(found)}); call the one of pictures 'image'.")
    if set(schema.names) >= _EMBEDDINGS:
        raise UserError(f"{shown} holds embeddings, as `unlabeled embed` writes them, and no pictures; give pictures.")
    raise UserError(
        f"{shown} has no column with the bytes of pictures, only {', '.join(schema.names[:5]) or 'nothing'}; "
        "give one with a column 'image'."
    )


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def bytes_of(file: Any, group: int, column: str) -> tuple[int, int]:
    """How many bytes a column of a row group claims to have unpacked, and how many it takes in the file."""
    about = file.metadata.row_group(group)
    chunks = [about.column(number) for number in range(about.num_columns)]
    mine = [chunk for chunk in chunks if chunk.path_in_schema == column]
    return sum(each.total_uncompressed_size for each in mine), sum(each.total_compressed_size for each in mine)


@dataclass(frozen=True)
class Answers:
    """The column of labels.

    Args:
        column: its name.
        names: of the classes 0, 1, 2 ..., where the file gives them.
        shown: the file, for messages.
    """

    column: str
    names: Sequence[str]
    shown: str

    @classmethod
    def of(cls, schema: Any, shown: str) -> "Answers | None":
        """That of a file with this Arrow schema, or None."""
        column = next((name for name in _LABELS if name in schema.names), None)
        return None if column is None else cls(column, _class_names(schema, column), shown)

    def read(self, file: Any, group: int) -> list[str | None]:
        """The labels of a row group, None where there is none.

        Raises:
            UserError: they are neither whole numbers nor text.
        """
        table = file.read_row_group(group, [self.column], use_threads=False)
        return [self._text(label) for label in table.column(0).to_pylist()]

    def _text(self, label: Any) -> str | None:
        if label is None or label == "" or (isinstance(label, float) and math.isnan(label)):
            return None
        if isinstance(label, str):
            return label
        if isinstance(label, float) and label.is_integer():  # what pandas makes of whole numbers with gaps
            label = int(label)
        if not isinstance(label, int) or label < UNLABELLED:
            raise UserError(
                f"{self.shown} has the label {str(label)[:40]!r}; labels are text, or whole numbers from 0 on "
                "(-1: unlabelled)."
            )
        if label == UNLABELLED:
            return None
        return self.names[label] if label < len(self.names) else str(int(label))


def _class_names(schema: Any, column: str) -> list[str]:
    """The names that Hugging Face's data sets write into the schema, or none."""
    try:
        names = json.loads(schema.metadata[b"huggingface"])["info"]["features"][column]["names"]
    except (TypeError, KeyError, ValueError, RecursionError):
        return []
    sound = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    return names if sound and len(set(names)) == len(names) else []
