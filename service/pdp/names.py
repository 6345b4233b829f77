"""Names of people, hosts and networks: x500Name, rfc822Name, ipAddress, dnsName (XACML 3.0, section A.2).

Each value keeps the text it was read from, because `string-from-…` and `…-regexp-match` work on that form
(section A.3.9), and is compared by its normal form.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Self

from service.pdp.errors import quoted

_ATTRIBUTE_TYPES: Final = {
    # RFC 2253, section 2.3, and the names that directories commonly use for the same object identifiers.
    "2.5.4.3": "cn",
    "commonname": "cn",
    "2.5.4.4": "sn",
    "surname": "sn",
    "2.5.4.5": "serialnumber",
    "2.5.4.6": "c",
    "countryname": "c",
    "2.5.4.7": "l",
    "localityname": "l",
    "2.5.4.8": "st",
    "stateorprovincename": "st",
    "2.5.4.9": "street",
    "streetaddress": "street",
    "2.5.4.10": "o",
    "organizationname": "o",
    "2.5.4.11": "ou",
    "organizationalunitname": "ou",
    "2.5.4.12": "title",
    "2.5.4.42": "givenname",
    "0.9.2342.19200300.100.1.1": "uid",
    "userid": "uid",
    "0.9.2342.19200300.100.1.25": "dc",
    "domaincomponent": "dc",
    "1.2.840.113549.1.9.1": "emailaddress",
    "e": "emailaddress",
}
_ATTRIBUTE_TYPE: Final = re.compile(r"\s*((?:oid\.)?[0-9]+(?:\.[0-9]+)+|[a-z][a-z0-9-]*)\s*=\s*", re.IGNORECASE)
_VALUE: Final = re.compile(r"""(?:[^,+"\\<>;\x00]|\\[0-9a-f]{2}|\\[ #=,+"\\<>;])*""", re.IGNORECASE)
_QUOTED_VALUE: Final = re.compile(r"""(?:[^"\\\x00]|\\[0-9a-f]{2}|\\[ #=,+"\\<>;])*""", re.IGNORECASE)
_ESCAPES: Final = re.compile(r"(?:\\[0-9a-f]{2})+|\\.|[^\\]+", re.IGNORECASE | re.DOTALL)
_SPACES: Final = re.compile(r"\s+")

_ATOM: Final = r"""[^\s\x00-\x1f\x7f()<>\[\]:;@\\,."]+"""
_LOCAL_PART: Final = re.compile(rf'{_ATOM}(?:\.{_ATOM})*|"(?:[^"\\\r\n]|\\.)*"')
_LABEL: Final = r"[^\W_](?:(?:[^\W_]|-)*[^\W_])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Za-z:.]+\]")
_LONGEST_NAME: Final = 10_000

_PORTS: Final = re.compile(r"([0-9]{1,5})|([0-9]{1,5})?-([0-9]{1,5})?")
_IPV4: Final = re.compile(r"([0-9.]+)(?:/([0-9.]+))?(?::(.+))?")
_IPV6: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?:/\[([0-9A-Fa-f:.]+)\])?(?::(.+))?")
_HOST_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_TOP_LABEL: Final = r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DNS: Final = re.compile(rf"((?:\*\.)?(?:{_HOST_LABEL}\.)*{_TOP_LABEL})\.?(?::(.+))?")
_LAST_PORT: Final = 65_535

_Pair = tuple[str, str]
_Ports = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class X500Name:
    """A distinguished name, compared as XACML 3.0, section A.3.1 (x500Name-equal) says.

    `rdns` holds, for every relative distinguished name, its sorted pairs of attribute type and value, both
    without case and the value without superfluous space (RFC 3280, section 4.1.2.4).
    """

    text: str = field(compare=False)
    rdns: tuple[tuple[_Pair, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name in the form of RFC 2253; ValueError if it is none."""
        if len(text) > _LONGEST_NAME:
            raise ValueError(f"{quoted(text)} is no x500Name: it is longer than {_LONGEST_NAME} characters")
        rdns: list[tuple[_Pair, ...]] = []
        pairs: list[_Pair] = []
        position, separator = 0, ","
        while separator:
            pair, position = _read_pair(text, position)
            pairs.append(pair)
            separator = text[position : position + 1]
            position += 1
            if separator != "+":
                rdns.append(tuple(sorted(pairs)))
                pairs = []
        return cls(text, tuple(rdns))

    def __str__(self) -> str:
        return self.text

    def matches_end_of(self, name: "X500Name") -> bool:
        """Whether this name is the last part of another, or all of it (x500Name-match, section A.3.14)."""
        return name.rdns[-len(self.rdns) :] == self.rdns


def _read_pair(text: str, position: int) -> tuple[_Pair, int]:
    """Read `type=value` at a position; return it in normal form and the position behind it."""
    if (kind := _ATTRIBUTE_TYPE.match(text, position)) is None:
        raise _no_x500_name(text, position)
    is_quoted = text.startswith('"', kind.end())
    form = _QUOTED_VALUE if is_quoted else _VALUE
    match = form.match(text, kind.end() + is_quoted)
    assert match is not None
    end = match.end()
    if is_quoted:
        if not text.startswith('"', end):
            raise _no_x500_name(text, end)
        end += 1
        end += len(text[end:]) - len(text[end:].lstrip())
    if end < len(text) and text[end] not in ",;+":
        raise _no_x500_name(text, end)
    name = kind[1].lower().removeprefix("oid.")
    value = _unescaped(text, match[0])
    return (_ATTRIBUTE_TYPES.get(name, name), _SPACES.sub(" ", value).strip().casefold()), end


def _unescaped(text: str, raw: str) -> str:
    if "\\" not in raw:
        return raw
    parts = (
        bytes.fromhex(part.replace("\\", ""))
        if re.fullmatch(r"(?:\\[0-9a-fA-F]{2})+", part)
        else part.removeprefix("\\").encode()
        for part in _ESCAPES.findall(raw)
    )
    try:
        return b"".join(parts).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{quoted(text)} is no x500Name: an escaped value is not UTF-8") from error


def _no_x500_name(text: str, position: int) -> ValueError:
    where = quoted(text[position:]) if text[position:].strip() else "its end"
    return ValueError(
        f"{quoted(text)} is no x500Name: cannot read on at {where}: "
        "a name is written like `cn=Anne,ou=Sales,o=Example,c=US`"
    )


@dataclass(frozen=True, slots=True)
class RFC822Name:
    """An e-mail address: the case of its local part counts, that of its domain does not (section A.2)."""

    text: str = field(compare=False)
    local_part: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a mailbox of RFC 2821, section 4.1.2; ValueError if it is none."""
        local_part, at, domain = text.rpartition("@")
        if (
            not at
            or len(text) > _LONGEST_NAME
            or _LOCAL_PART.fullmatch(local_part) is None
            or _DOMAIN.fullmatch(domain) is None
        ):
            raise ValueError(f"{quoted(text)} is no rfc822Name: a name is written like `anne@example.com`")
        return cls(text, local_part, domain.lower())

    def __str__(self) -> str:
        return self.text

    def matches(self, pattern: str) -> bool:
        """Whether a pattern covers this address (rfc822Name-match, XACML 3.0, section A.3.14).

        `anne@example.com` covers that address, `example.com` every address of that domain, `.example.com`
        every address of that domain and of those below it.
        """
        local_part, at, domain = pattern.rpartition("@")
        domain = domain.lower()
        if at:
            return self.local_part == local_part and self.domain == domain
        if domain.startswith("."):
            return self.domain == domain[1:] or self.domain.endswith(domain)
        return self.domain == domain


@dataclass(frozen=True, slots=True)
class IPAddress:
    """A network address with optional mask and port range, compared by what it means."""

    text: str = field(compare=False)
    address: IPv4Address | IPv6Address
    mask: IPv4Address | IPv6Address | None
    ports: _Ports | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `address[/mask][:ports]`, version 6 in brackets (section A.2); ValueError if it is none."""
        kind: type[IPv4Address | IPv6Address] = IPv6Address if text.startswith("[") else IPv4Address
        match = (_IPV6 if kind is IPv6Address else _IPV4).fullmatch(text)
        try:
            address, mask, ports = match.groups() if match else ("", None, None)
            return cls(text, kind(address), None if mask is None else kind(mask), _port_range(ports))
        except ValueError as error:
            raise ValueError(
                f"{quoted(text)} is no ipAddress: an address is written like `10.0.0.0/255.0.0.0:80-90` "
                "or `[2001:db8::1]:443`"
            ) from error

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class DNSName:
    """A host name with optional port range; a leading `*.` stands for any subdomain (section A.2)."""

    text: str = field(compare=False)
    host: str
    ports: _Ports | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host[:ports]` in the form of RFC 2396, section 3.2.2; ValueError if it is none."""
        match = _DNS.fullmatch(text) if len(text) <= _LONGEST_NAME else None
        if match is None:
            raise ValueError(f"{quoted(text)} is no dnsName: a name is written like `www.example.com:80-90`")
        return cls(text, match[1].lower(), _port_range(match[2]))

    def __str__(self) -> str:
        return self.text


def _port_range(text: str | None) -> _Ports | None:
    """Read `n`, `-n`, `n-` or `n-m`; an open end is None. ValueError if it is none of them."""
    if text is None:
        return None
    match = _PORTS.fullmatch(text)
    low, high = (match[1] or match[2], match[1] or match[3]) if match else (None, None)
    ports = (int(low) if low else None, int(high) if high else None)
    if ports == (None, None) or any(port is not None and port > _LAST_PORT for port in ports):
        raise ValueError(f"{quoted(text)} are no ports: ports are written like `80`, `80-90`, `80-` or `-90`")
    return ports
