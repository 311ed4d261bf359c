"""Ceph over librados: the monitors' commands, bounded in time, and every failure as an error of ours.

The monitors take JSON and give JSON; the ``ceph`` command sends the same, a hundred times slower. There is no wheel of
the ``rados`` binding, so it is taken from where the distribution has put it, also inside a virtual environment.
"""

from __future__ import annotations

import errno
import importlib
import importlib.machinery
import importlib.util
import json
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from migration.errors import CephError, CephRefused, CephUnreachable

PLACES: Sequence[str] = (
    "/usr/lib/python3/dist-packages",
    "/usr/lib64/python3.*/site-packages",
    "/usr/lib/python3.*/site-packages",
    "/usr/lib/python3.*/dist-packages",
)
"""Where distributions put the binding."""


_LOADING = threading.Lock()


def binding() -> Any:
    """Return the module ``rados``.

    Returns:
        The module that Python finds, else the distribution's extension that was built for this Python.

    Raises:
        CephError: there is none, or only for another Python; says which package has it.
    """
    # several threads of one process begin at once, and none may see a module that is half there
    with _LOADING:
        return _found()


@cache
def _found() -> Any:
    try:
        return importlib.import_module("rados")
    except ImportError:
        pass
    root = Path("/")
    places = [place for pattern in PLACES for place in sorted(root.glob(pattern.lstrip("/")))]
    for place in places:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            if (file := place / f"rados{suffix}").is_file():
                return _loaded(file)
    others = [str(file) for place in places for file in place.glob("rados.*.so")]
    mine = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    found = f"found {', '.join(others)}, which is not for {mine}" if others else "found none"
    raise CephError(
        "load librados",
        f"{found}; expected the binding rados for {mine}. Install the distribution's package python3-rados, and make"
        " the virtual environment with the distribution's own python3",
    )


def _loaded(file: Path) -> Any:
    specification = importlib.util.spec_from_file_location("rados", file)
    if specification is None or specification.loader is None:
        raise CephError("load librados", f"{file} is no extension module; install the package python3-rados again")
    try:
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    except ImportError as error:
        raise CephError(
            "load librados", f"{file} cannot be loaded ({error}); install the packages librados2 and python3-rados"
        ) from None
    return module


class Cluster:
    """A connection to one Ceph, made on entry and closed on exit.

    Arguments:
        conf: path of ceph.conf, or None for ``CEPH_CONF`` and Ceph's own places. ``CEPH_ARGS`` is heard either way.
        client: the user, as in ``client.admin``.
        timeout: seconds until a monitor that does not answer counts as unreachable, for each command.

    Attributes:
        writes: how many commands that change something were sent.
    """

    def __init__(self, conf: str | None, client: str, timeout: float) -> None:
        self._conf = conf
        self._client = client
        self._timeout = timeout
        self._rados: Any = None
        self.writes = 0

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            CephError: no binding, no configuration or no key.
            CephUnreachable: no monitor answers in time.
            CephRefused: the monitors do not let this user in.
        """
        rados = binding()
        self._rados = self._configured(rados)
        try:
            self._rados.connect()
        except rados.Error as error:
            why = self._no_way_in(error)
            self.__exit__(None, None, None)
            raise why from None
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        if self._rados is not None:
            self._rados.shutdown()
            self._rados = None

    def ask(self, prefix: str, **arguments: Any) -> Any:
        """Ask for something.

        Arguments:
            prefix: the command, as in ``osd dump``.
            arguments: its arguments.

        Returns:
            The decoded answer.

        Raises:
            CephUnreachable: no answer in time.
            CephRefused: an error, with its number.
        """
        return json.loads(self._send(prefix, {"format": "json", **arguments})[0])

    def find(self, prefix: str, **arguments: Any) -> Any | None:
        """Ask for something that may not be there: None then. Otherwise as :meth:`ask`."""
        try:
            return self.ask(prefix, **arguments)
        except CephRefused as refused:
            if refused.missing:
                return None
            raise

    def fetch(self, prefix: str, **arguments: Any) -> tuple[bytes, str]:
        """Ask for bytes: returns them, and what Ceph says beside (a version). Raises as :meth:`ask`."""
        return self._send(prefix, arguments)

    def tell(self, prefix: str, *, data: bytes = b"", **arguments: Any) -> str:
        """Change something.

        Arguments:
            prefix: the command, as in ``osd pool set``.
            data: what goes with it; never shown.
            arguments: its arguments.

        Returns:
            What Ceph says of it.

        Raises:
            CephUnreachable: no answer in time; it may have been done all the same.
            CephRefused: an error, with its number.
        """
        self.writes += 1
        return self._send(prefix, arguments, data, changes=True)[1]

    def _configured(self, rados: Any) -> Any:
        if self._conf is not None and not Path(self._conf).is_file():
            raise CephError(
                "connect",
                f"there is no {self._conf} (ceph.connection.conf); expected a ceph.conf with the monitors' addresses,"
                f" and a keyring of {self._client}. ceph config generate-minimal-conf on a monitor's host writes one",
            )
        # connect(timeout=) and mon_command(timeout=) have no effect on a quorum that is lost; these have
        limits = {
            name: str(self._timeout)
            for name in ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")
        }
        try:
            handle = rados.Rados(name=self._client, conffile=self._conf or "")
            handle.conf_parse_env("CEPH_ARGS")
            for name, value in limits.items():
                handle.conf_set(name, value)
        except (rados.Error, TypeError) as error:
            raise CephError(
                "connect",
                f"{self._conf or 'the configuration that CEPH_CONF names'} cannot be read ({error}); expected a"
                " ceph.conf. Set ceph.connection.conf, or the environment variable CEPH_CONF",
            ) from None
        return handle

    def _no_way_in(self, error: Any) -> CephError:
        hosts = self._monitors()
        number = getattr(error, "errno", 0)
        if number in {errno.EACCES, errno.EPERM}:
            return CephRefused(
                "connect",
                f"{hosts} does not let {self._client} in; is the key in its keyring the one that ceph auth get"
                f" {self._client} shows?",
                number,
            )
        if number == errno.ENOENT:
            return CephError(
                "connect",
                f"there are no monitors' addresses, or no key of {self._client}; expected mon_host in"
                f" {self._conf or 'ceph.conf'} and the keyring that its keyring option names",
            )
        return CephUnreachable(
            "connect",
            f"no quorum of {hosts} answered within {self._timeout:g} s ({error}); more than half of the monitors must"
            " be up. Start them, or mend mon_host",
        )

    def _monitors(self) -> str:
        """Return the monitors' addresses as the configuration has them."""
        return str(self._rados.conf_get("mon_host") or "mon_host, which is not set")

    def _send(
        self, prefix: str, arguments: dict[str, Any], data: bytes = b"", *, changes: bool = False
    ) -> tuple[bytes, str]:
        rados = binding()
        try:
            code, answer, said = self._rados.mon_command(json.dumps({"prefix": prefix, **arguments}), data)
        except rados.Error as error:
            code, answer, said = -int(getattr(error, "errno", 0) or errno.EIO), b"", str(error)
        if not code:
            return bytes(answer), str(said).strip()
        shown = " ".join([prefix, *(str(value) for name, value in arguments.items() if name != "format")])
        if -code in {errno.ETIMEDOUT, errno.ENOTCONN, errno.EINTR}:
            doubt = "; it may have been done all the same" if changes else ""
            raise CephUnreachable(
                shown,
                f"no quorum of {self._monitors()} answered within {self._timeout:g} s{doubt}. When more than half of"
                " the monitors are up, run pulumi up again",
            )
        name = errno.errorcode.get(-code, str(-code))
        raise CephRefused(shown, f"{said.strip() or 'no reason given'} ({name})", -code)
