"""python -m loaders.example --to DIR: deliveries of an invented region in the official layouts."""

import argparse
import datetime as dt
import sys
from pathlib import Path

from loaders.example.city import write_city
from loaders.example.options import ExampleOptions
from loaders.example.products import write_products
from loaders.example.region import make_region
from loaders.example.statistics import write_statistics
from loaders.example.write import write_cadastre, write_deliveries


def main() -> int:
    default = ExampleOptions()
    parser = argparse.ArgumentParser(prog="python -m loaders.example", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder for the deliveries")
    parser.add_argument("--addresses", type=int, default=default.addresses, help="500 to 5000000 (%(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed, help="another seed, another region (%(default)s)")
    parser.add_argument("--date", type=dt.date.fromisoformat, default=default.date, help="YYYY-MM-DD (%(default)s)")
    parser.add_argument("--changes", type=float, default=default.changes, help="share changed since then (%(default)s)")
    parser.add_argument("--districts", type=int, default=0, metavar="N", help="ALKIS of the first N districts as well")
    parser.add_argument(
        "--city", type=int, default=0, metavar="N", help="3D buildings of the first N districts as well"
    )
    parser.add_argument("--products", action="store_true", help="the products of the state's other publishers as well")
    parser.add_argument("--statistics", action="store_true", help="tables of population and income as well")
    given = parser.parse_args()
    try:
        options = ExampleOptions(given.addresses, given.seed, given.date, given.changes)
        folders = write_deliveries(given.to, options)
        if given.districts:
            folders |= write_cadastre(given.to, options, given.districts)
        if given.city:
            folders |= write_city(given.to, options, given.city)
        if given.products:
            folders |= write_products(given.to, options)
        if given.statistics:
            folders |= write_statistics(given.to, make_region(options), options)
    except (ValueError, RuntimeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for dataset, folder in folders.items():
        sys.stdout.write(f"{dataset}: {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
