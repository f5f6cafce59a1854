"""What trackers keep of a run, read back from their own files."""

import json
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Points = list[tuple[int, float]]


@dataclass
class Told:
    """One run as a tracker keeps it.

    Attributes:
        points: the curves by their names, as pairs of step and value.
        tables: pairs of step and rows, by the tables' names; an image is the bytes of its file.
        figures: of the run as a whole.
    """

    id: str
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    points: dict[str, Points] = field(default_factory=dict)
    tables: dict[str, list[tuple[int, list[dict[str, Any]]]]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)


def wandb_folders(policy: Path) -> list[Told]:
    """What W&B has written for `wandb sync` into a policy's folder, the oldest first."""
    return [_wandb_run(file) for file in sorted(policy.glob("wandb/offline-run-*/run-*.wandb"))]


def _wandb_run(file: Path) -> Told:
    told = Told("", "")
    images: dict[str, Path] = {}
    for record in _records(file):
        match record.WhichOneof("record_type"):
            case "run":
                told.id, told.name = record.run.run_id, record.run.display_name
                told.config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            case "artifact":
                images |= {entry.path: Path(entry.local_path) for entry in record.artifact.manifest.contents}
            case "summary":
                told.figures |= {item.key: json.loads(item.value_json) for item in record.summary.update if item.key}
            case "history":
                row: dict[str, Any] = {}
                for item in record.history.item:
                    name, *parts = [item.key] if item.key else list(item.nested_key)
                    value = json.loads(item.value_json)
                    row[name] = {**row.get(name, {}), parts[0]: value} if parts else value
                step = row.pop("_step")
                for name, value in row.items():
                    if isinstance(value, dict):
                        content = json.loads((file.parent / "files" / value["path"]).read_text())
                        rows = [dict(zip(content["columns"], cells, strict=True)) for cells in content["data"]]
                        told.tables.setdefault(name, []).append((step, rows))
                    elif not name.startswith("_"):
                        told.points.setdefault(name, []).append((step, value))
    # In the file beside the run, the cells of images are only a word: the table of the artifact has the images.
    pictures = [path.read_bytes() for name, path in images.items() if name.endswith(".png")]
    told.figures["pictures"] = pictures
    return told


def _records(file: Path) -> Iterator[Any]:
    """The records of W&B's file: LevelDB's log format behind a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, content = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        content += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(content)
            content = b""


def trackio_runs(folder: Path, project: str) -> list[Told]:
    """The runs of trackio's database in ``folder``."""
    with sqlite3.connect(folder / f"{project}.db") as database:
        runs = {id: Told(id, name) for id, name in database.execute("SELECT DISTINCT run_id, run_name FROM metrics")}
        for id, config in database.execute("SELECT run_id, config FROM configs"):
            runs[id].config = json.loads(config)
        for id, step, metrics in database.execute("SELECT run_id, step, metrics FROM metrics ORDER BY id"):
            for name, value in json.loads(metrics).items():
                if isinstance(value, dict):
                    runs[id].tables.setdefault(name, []).append((step, value["_value"]))
                    for row in value["_value"]:
                        row["image"] = (folder / "media" / row["image"]["file_path"]).read_bytes()
                elif name.startswith(("final/", "test/")):
                    runs[id].figures[name] = value
                else:
                    runs[id].points.setdefault(name, []).append((step, value))
    return list(runs.values())


def mlflow_runs(uri: str, project: str, folder: Path) -> list[Told]:
    """The runs of MLflow's database.

    Args:
        folder: in which the run's process worked: the files of a local run lie there.
    """
    from mlflow import MlflowClient

    client, runs = MlflowClient(uri), []
    for run in client.search_runs([client.get_experiment_by_name(project).experiment_id]):
        told = Told(run.data.tags["policy_run"], run.info.run_name, dict(run.data.params))
        files = folder / "mlruns" / run.info.experiment_id / run.info.run_id / "artifacts"
        for name in run.data.metrics:
            if name.startswith(("final/", "test/")):
                told.figures[name] = run.data.metrics[name]
            else:
                told.points[name] = [
                    (point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)
                ]
        for file in sorted(files.glob("completions/*/*.json"), key=lambda path: int(path.stem)):
            content = json.loads(file.read_text())
            rows = [dict(zip(content["columns"], cells, strict=True)) for cells in content["data"]]
            for row in rows:
                row["image"] = (files / row["image"]["filepath"]).read_bytes()
            told.tables.setdefault(str(file.parent.relative_to(files)), []).append((int(file.stem), rows))
        runs.append(told)
    return runs
