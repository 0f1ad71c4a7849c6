"""The registry over HTTP: its documents, its pages and its search, put together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from translog.log.directory import LogDirectory
from translog.log.registry import pith_key
from translog.pith.linked import CONTEXT_PATH
from translog.server.anchoring import Anchoring
from translog.server.answers import Answer
from translog.server.forms import Forms
from translog.server.manifests import Manifests
from translog.server.publishing import Publishing
from translog.server.readers import Readers
from translog.server.records import Records
from translog.server.searching import Searching
from translog.server.settings import Clock, Settings
from translog.server.site import Site
from translog.web.pages import Pages

Endpoint = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What the application needs of it.

    Attributes:
        routes: in the order in which they are tried.
        site: for refusals in the form of pages.
    """

    routes: dict[str, Endpoint]
    site: Site


def build_registry(
    directory: LogDirectory,
    publishing: Publishing,
    readers: Readers,
    settings: Settings,
    clock: Clock,
    anchoring: Anchoring,
) -> Registry:
    """Put the registry of a log together."""
    signer, base_url = directory.read_signer(), settings.base_url
    pages = Pages(directory.origin)
    forms = Forms(signer, base_url, pages, directory.search)
    records = Records(publishing, readers, forms, pith_key(signer.verifier, base_url), anchoring)
    manifests = Manifests(publishing, readers, directory, base_url)
    site = Site(
        pages=pages,
        publishing=publishing,
        readers=readers,
        searching=Searching(publishing, readers, directory.search),
        clock=clock,
        base_url=base_url,
    )
    routes: dict[str, Endpoint] = {
        "/": site.front,
        "/search": site.search,
        "/entry/{index}": site.entry,
        "/checkpoints/{size}": site.checkpoint,
        "/anchors": site.anchors,
        "/assets/{name}": site.asset,
        "/event/{digits}": records.event,
        "/keys.json": records.keys,
        "/pith/by/{kind}/{name:path}": site.by_alias,
        "/pith/{suffix}": records.record,
        "/pith/{suffix}/bundle.json": records.bundle,
        "/pith/{suffix}/state.json": records.state,
        "/pith/{suffix}/badge.svg": records.badge,
        "/.well-known/pith/{suffix}/bundle.json": records.bundle,
        "/pith.sty": manifests.style,
        f"/{CONTEXT_PATH}": manifests.context,
        "/pith-signing-key.json": manifests.signing_keys,
        "/pith-mirrors.json": manifests.mirrors,
    }
    return Registry(routes=routes, site=site)
