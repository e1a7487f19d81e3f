"""The contacts of a French high school (SocioPatterns, Thiers 2012) as a table of timed links and one of classes."""

import csv
import gzip
from pathlib import Path


def make(data: Path, scratch: Path) -> None:
    """Write contacts.csv and labels.csv into `scratch`, once.

    Args:
        data: the folder of data sets.
        scratch: made here.
    """
    if (scratch / "labels.csv").exists():
        return
    scratch.mkdir(parents=True, exist_ok=True)
    classes: dict[str, str] = {}
    with (
        gzip.open(data / "temporal" / "highschool" / "thiers_2012.csv.gz", "rt", encoding="utf-8") as rows,
        (scratch / "contacts.csv").open("w", newline="", encoding="utf-8") as out,
    ):
        links = csv.writer(out)
        links.writerow(["source", "target", "time"])
        for time, one, other, class_of_one, class_of_other in csv.reader(rows, delimiter="\t"):
            links.writerow([one, other, time])
            classes |= {one: class_of_one, other: class_of_other}
    with (scratch / "labels.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("node", "label"), *sorted(classes.items())])
