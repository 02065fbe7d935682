"""A home that other users may pass through, where nothing can be shut in and nothing be mounted."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nunatak.confinement.policy import Confinement
from nunatak.confinement.terms import Terms, bare, needed
from nunatak.confinement.users import other_user

GATES = ("models", "environments", "instances")
"""What users of models must pass through, without seeing what is in it."""
_CHECK_TIMEOUT_S = 10.0
_PASSED_ONLY = 0o711


def keep_home(home: Path, found: Confinement) -> str:
    """Close the home to everybody else; why models cannot be started all the same, or empty.

    Where root runs models unconfined and may not mount anything, they could not read their own
    files in a closed home. It may then be passed through by who knows a name in it, as may its
    gates, and everything else in it is closed.
    """
    home.chmod(0o700)
    if found.available or not found.allow_unconfined or other_user("") is None:
        return ""
    if not _unreachable(home):
        return ""
    for child in home.iterdir():
        if child.name not in GATES and not child.is_symlink():
            child.chmod(child.stat().st_mode & 0o700)
    for name in GATES:
        (home / name).mkdir(exist_ok=True)
        (home / name).chmod(_PASSED_ONLY)
    home.chmod(_PASSED_ONLY)
    return _unreachable(home)


def _unreachable(home: Path) -> str:
    """Reason why another user cannot read what is shown to it in the home; empty when it can."""
    shown = home / "models" / ".shown"
    shown.parent.mkdir(mode=0o700, exist_ok=True)
    shown.touch(mode=0o644)
    terms = Terms(user=other_user("the probe"), processes=64)
    command = bare(terms, file_bytes=None, hide=[home], show=[*needed(), shown])
    try:
        done = subprocess.run(
            [*command, "true"], capture_output=True, timeout=_CHECK_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        shown.unlink()
    return done.stderr.decode("utf-8", "replace").strip() if done.returncode else ""
