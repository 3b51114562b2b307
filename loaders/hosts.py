"""Which hosts downloads may go to."""

from urllib.parse import urljoin, urlsplit

from loaders.errors import SourceError

DEFAULT_PORTS = {"http": 80, "https": 443}


def host_of(url: str) -> str:
    """`host`, or `host:port` where the port is not the scheme's own. Raises SourceError for what is no web address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        raise SourceError(f"{url} is not a valid address: {error}. Correct it.") from error
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise SourceError(f"{url} is not a valid address: it must begin with https:// and a host. Correct it.")
    if parts.username is not None or parts.password is not None:
        raise SourceError(
            f"The address of {host} holds a user's name or password, which the provenance would publish. Remove it; "
            "download the file by other means and load it from a local copy with --from."
        )
    return host if port in {None, DEFAULT_PORTS[parts.scheme]} else f"{host}:{port}"


def check_redirect(url: str, target: str, hosts: frozenset[str]) -> str:
    """The absolute target of a redirect. Raises SourceError for another host than `hosts`, and from https to http."""
    try:
        absolute = urljoin(url, target)
    except ValueError as error:
        raise SourceError(f"{url} redirects to {target}, which is not a valid address: {error}.") from error
    host = host_of(absolute)
    if urlsplit(url).scheme == "https" and urlsplit(absolute).scheme != "https":
        raise SourceError(
            f"{url} redirects to {absolute}: an encrypted connection must not become an open one. Nothing was fetched "
            "from there; load from a local copy with --from."
        )
    if host not in hosts:
        raise SourceError(
            f"{url} redirects to {absolute}, a host that is not allowed (allowed: {', '.join(sorted(hosts))}). If the "
            "publisher moved, name the host under `hosts` in source.yaml; or give the new address with --from."
        )
    return absolute
