# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the controller's unit tests and the integration tests marked `compat` under other releases of ansible-core.

The release that .venv holds is left out: there `make test` runs everything.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version as installed_version
from typing import List, Tuple

from .environments import REPOSITORY, Job, pythons, run

# Each release with the Pythons that its controller supports, the one to prefer first.
RELEASES: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("2.17.14", ("3.11", "3.12", "3.10")),
    ("2.19.14", ("3.11", "3.12", "3.13")),
    ("2.21.5", ("3.14", "3.13", "3.12")),
)
UNIT = ("plugin_utils", "action", "modules", "lookup")


def jobs() -> List[Job]:
    """One job for each release that is not installed here already; LookupError where no Python fits it."""
    available = pythons()
    unit = [f"tests/unit/{name}" for name in UNIT if (REPOSITORY / "tests/unit" / name).is_dir()]
    result = []
    for release, supported in RELEASES:
        if release == installed_version("ansible-core"):
            continue
        python = next((version for version in supported if version in available), None)
        if python is None:
            raise LookupError(f"ansible-core {release} needs one of the Pythons {', '.join(supported)}")
        requirements = ("-r", "requirements-unit.txt", f"ansible-core=={release}", "cryptography==50.0.2")
        selection = ("-m", "compat", *unit, "tests/integration")
        result.append(Job(f"ansible-core {release} on Python {python}", available[python], requirements, selection))
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", dest="parallel", type=int, default=2, help="environments at a time (default: 2)")
    return run(jobs(), parser.parse_args().parallel)


if __name__ == "__main__":
    sys.exit(main())
